"""The settings a worker works by now: its spec, some fields of which may change while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from fleet.control import LIVE_SETTINGS
from fleet.launch_specs import WorkerLaunch

_MAY_BE_NONE = frozenset(
    {
        *("prefetch", "soft_time_limit_seconds", "time_limit_seconds"),
        *("max_tasks", "max_memory_bytes", "max_age_seconds"),
    }
)
_MAY_BE_ZERO = frozenset({"max_retries", "prefetch"})


class SettingsChange(NamedTuple):
    """New values for some of LIVE_SETTINGS, and what they are called together."""

    revision: str
    settings: dict[str, Any]


class Settings:
    """Changed in the loop's thread only, always as a whole; read from any."""

    def __init__(self, launch: WorkerLaunch) -> None:
        self.spec = launch.spec
        self.revision = launch.live_revision or launch.revision

    def apply(self, change: SettingsChange) -> None:
        self.spec = replace(self.spec, **change.settings)
        self.revision = change.revision


def read_change(arguments: Mapping[str, Any]) -> SettingsChange:
    """What a "configure" command says. Raises ValueError with what is wrong with it."""
    match arguments:
        case {"revision": str() as revision, "settings": dict() as settings}:
            for name, value in settings.items():
                if name not in LIVE_SETTINGS:
                    raise ValueError(f"{name!r} can't change while the worker runs")
                if not _fits(name, value):
                    raise ValueError(f"{name} = {value!r} is no value for it")
            return SettingsChange(revision, settings)
    raise ValueError("expected a revision and settings")


def _fits(name: str, value: object) -> bool:
    if name == "acks":
        return value in ("late", "early", "app")
    if value is None:
        return name in _MAY_BE_NONE
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    if name.endswith("_seconds"):
        return value >= 0
    return isinstance(value, int) and value >= (0 if name in _MAY_BE_ZERO else 1)
