"""Command lines that run Celery as found in a file, and things found there that fleet.toml can't say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Left(NamedTuple):
    """Something that is not taken over: the person has to decide."""

    where: str
    what: str
    why: str


@dataclass(frozen=True)
class FoundCommand:
    """One command line, and what its runner (supervisord, systemd, …) says beside."""

    words: tuple[str, ...]
    """The program and its arguments, without what stands before `celery`."""
    where: str
    """File and place, for comments and messages."""
    name: str = ""
    """What the runner calls it."""
    replicas: int = 1
    environment: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    user: str = ""
    stop_seconds: float | None = None
    """How long the runner waits for it to end before it kills it."""


class FoundSchedule(NamedTuple):
    """A line of a crontab. `task` is what it calls, else a name until somebody knows the real one."""

    name: str
    cron: str
    timezone: str
    where: str
    jitter: str = ""
    overlap: str = ""
    called: str = ""

    @property
    def task(self) -> str:
        return self.called or f"tasks.{self.name}".replace("-", "_")


@dataclass
class FileReading:
    """What one file holds, in its order."""

    found: list[FoundCommand] = field(default_factory=list)
    schedules: list[FoundSchedule] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)
