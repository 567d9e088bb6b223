"""The file that tells what the scheduler knows: for the status, the page, and whoever asks while it is down."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

from fleet.launch_specs import ScheduleSpec
from fleet.schedules.app_schedules import AppSchedule
from fleet.schedules.moments import upcoming
from fleet.schedules.notes import timing_of

_COMING = 5
_LEAST_SECONDS = 1.0  # between two writings


class KnownFile:
    """Written when something has changed, at most once a second."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written_at = float("-inf")
        self._is_due = False
        self._error: str | None = None

    def changed(self) -> None:
        self._is_due = True

    def due_in(self) -> float:
        """Seconds until it is to be written; infinite when nothing has changed."""
        if not self._is_due:
            return float("inf")
        return max(0.0, self._written_at + _LEAST_SECONDS - time.monotonic())

    def write(self, said: Mapping[str, Any]) -> OSError | None:
        """0600, in one step; why it can't be. It is a view: nothing is lost with it."""
        self._is_due, self._written_at = False, time.monotonic()
        temporary = ""
        try:
            handle, temporary = tempfile.mkstemp(prefix=f".{self._path.name}.", dir=self._path.parent)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(said, file)
            Path(temporary).replace(self._path)
        except OSError as error:
            with suppress(OSError):
                Path(temporary).unlink()
            return error
        return None


def app_schedules_shown(
    schedules: Iterable[ScheduleSpec], next_at: Mapping[str, int]
) -> list[dict[str, Any]]:
    """What fleet.toml does not say of the schedules of an app; `coming` where no expression tells it."""
    return [_shown(each, next_at.get(each.name)) for each in schedules if isinstance(each, AppSchedule)]


def _shown(schedule: AppSchedule, next_at: int | None) -> dict[str, Any]:
    coming: list[int] = []
    if schedule.ticks is not None and next_at is not None:
        coming = list(islice(upcoming(timing_of(schedule), next_at - 1, next_at), _COMING))
    return {
        "name": schedule.name,
        "task": schedule.task,
        "cron": schedule.cron,
        "every_seconds": schedule.every_seconds,
        "timezone": schedule.timezone,
        "weekdays": schedule.weekdays,
        "when": schedule.when,
        "coming": coming,
    }
