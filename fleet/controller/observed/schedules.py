"""The schedules as their scheduler remembers them, from its file, joined with what is declared. Only reads."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

from fleet.launch_specs import ScheduleSpec
from fleet.schedules.app_schedules import AppSchedule
from fleet.schedules.due import MISSED_SECONDS, next_runs
from fleet.schedules.moments import MINUTE
from fleet.schedules.notes import Note
from fleet.supervisor.client import Program, Snapshot

SHOWN_NEXT = 5
_HOUR = 60 * MINUTE
_DAY_HOURS = 24

ROLE = "scheduler"
"""The label of its program."""


def read_known(path: Path) -> dict[str, Any]:
    """{} when there is none, or it can't be read."""
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return said if isinstance(said, dict) else {}


def scheduler_program(snapshot: Snapshot) -> Program | None:
    return next((each for each in snapshot.programs if each.labels.get("role") == ROLE), None)


def scheduler_status(program: Program | None, known: Mapping[str, Any]) -> dict[str, Any] | None:
    """The process; None where there is none and none is wanted."""
    if program is None:
        return None
    return {
        "pid": program.pid or None,
        "state": program.state,
        "uptime_seconds": round(program.uptime_seconds, 1),
        "restarts": program.restarts,
        "leads": bool(program.pid and known.get("leads")),  # the file outlives whoever wrote it
        "error": known.get("error"),
        "app_error": known.get("app_error"),
        "beat": known.get("beat"),
    }


def with_app(schedules: Sequence[ScheduleSpec], known: Mapping[str, Any]) -> list[ScheduleSpec]:
    """The schedules of the file, in its order, and those of a Celery app, as its scheduler tells them."""
    told = [AppSchedule(**_declared(each)) for each in known.get("app") or ()]
    names = {each.name for each in schedules}
    return [*schedules, *(each for each in told if each.name not in names)]


def _declared(said: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("name", "task", "cron", "every_seconds", "timezone", "when")
    ticks = _ToldTicks(said["when"], tuple(said["coming"])) if said["coming"] else None
    return {**{key: said[key] for key in kept}, "weekdays": tuple(said["weekdays"]), "ticks": ticks}


@dataclass(frozen=True, slots=True)
class _ToldTicks:
    """See Ticks: the moments that the scheduler, which has the app, has told."""

    rule: str
    coming: tuple[int, ...]

    def upcoming(self, moment: int, now: int | None) -> Iterator[int]:
        return (each for each in self.coming if each > moment)

    def latest(self, moment: int) -> int | None:
        return None


def schedules_status(schedules: Sequence[ScheduleSpec], known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One for each, in their order."""
    notes = known.get("schedules") or {}
    return [_status(schedule, notes.get(schedule.name) or {}) for schedule in schedules]


def with_next(fleet: str, schedule: ScheduleSpec, status: dict[str, Any], now: float) -> dict[str, Any]:
    """The status with its `next` five, as texts, and in which of the `next_hours` (0 to 23) it runs.

    `now` is POSIX seconds.
    """
    pause, begin = status["paused"], round(now * 1000)
    if not schedule.enabled or (pause and pause["until"] is None):
        return {**status, "next": [], "next_hours": []}
    start = begin
    if pause:
        start = max(start, round(datetime.fromisoformat(pause["until"]).timestamp() * 1000))
    coming = islice(next_runs(fleet, schedule, start), SHOWN_NEXT)
    hours = list(_hours(fleet, schedule, begin, start))
    return {**status, "next": [stamp(moment) for moment in coming], "next_hours": hours}


def _hours(fleet: str, schedule: ScheduleSpec, begin: int, start: int) -> Iterator[int]:
    """The hours after `begin` in which there is a run after `start`. Of each no more than the first is looked for."""
    end = begin + _DAY_HOURS * _HOUR
    while start < end:
        moment = next(next_runs(fleet, schedule, start), end)
        if moment >= end:
            return
        hour = (moment - begin) // _HOUR
        yield hour
        start = begin + (hour + 1) * _HOUR - 1


def _status(schedule: ScheduleSpec, said: Mapping[str, Any]) -> dict[str, Any]:
    note = Note.read(json.dumps(said)) if said else None
    return {
        "name": schedule.name,
        "task": schedule.task,
        "when": when(schedule),
        "timezone": schedule.timezone,
        "enabled": schedule.enabled,
        "overlap": schedule.overlap,
        "catch_up": schedule.catch_up,
        "next_at": stamp(said.get("next")),
        "last": _last(note, said.get("late")) if note else None,
        "succeeded_at": stamp(note.succeeded_at) if note else None,
        "skipped": note.skipped if note else 0,
        "paused": _pause(note) if note else None,
    }


def when(schedule: ScheduleSpec) -> str:
    """As the file says it, or the app."""
    if isinstance(schedule, AppSchedule) and schedule.when:
        return schedule.when
    if schedule.cron is not None:
        return schedule.cron
    from datetime import timedelta

    from fleet.config.units import format_duration

    return f"every {format_duration(timedelta(seconds=schedule.every_seconds or 0))}"


def _last(note: Note, late: Any) -> dict[str, Any] | None:
    run, end = note.run, note.end
    if run is None:
        return None
    is_over = end is not None and end.id == run.id
    return {
        "id": run.id,
        "moment": stamp(run.moment),
        "sent_at": stamp(run.sent_at),
        "late_seconds": late / 1000 if isinstance(late, int) else None,
        "outcome": end.outcome if is_over and end else "running",
        "ended_at": stamp(end.at) if is_over and end else None,
        "seconds": end.seconds if is_over and end else None,
    }


def _pause(note: Note) -> dict[str, Any] | None:
    pause = note.pause
    if pause is None:
        return None
    return {"by": pause.by, "since": stamp(pause.at), "until": stamp(pause.until), "reason": pause.reason}


def stamp(moment: Any) -> str | None:
    """Milliseconds since 1970 as UTC in ISO 8601."""
    if not isinstance(moment, int):
        return None
    return (
        datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )


def trouble(
    schedules: Sequence[ScheduleSpec], program: Program | None, known: Mapping[str, Any], now: float
) -> Iterator[str]:
    """What is wrong with the schedules, in words. `now` is POSIX seconds."""
    if not schedules and program is None:
        return
    if error := known.get("app_error"):
        yield f"beat_schedule is not sent: {error}"
    if error := (known.get("beat") or {}).get("error"):
        yield f"the app's scheduler class fails: {error}"
    if program is None or not program.pid:
        yield "the scheduler is not running: nothing is sent by the clock"
    elif error := known.get("error"):
        yield f"the scheduler has no broker: {error}"
    elif known.get("leads"):
        yield from _late(known, now)


def _late(known: Mapping[str, Any], now: float) -> Iterator[str]:
    for name, said in (known.get("schedules") or {}).items():
        due = said.get("next") if isinstance(said, dict) else None
        if isinstance(due, int) and now - due / 1000 > MISSED_SECONDS:
            why = f": {said['error']}" if said.get("error") else ""
            yield f"schedule {name} is {now - due / 1000:.0f} s late{why}"
