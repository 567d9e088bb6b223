"""Schedules as a table, a timeline and JSON. Pure but for the terminal's width."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from fleet.cli.file.loading import terminal_width
from fleet.cli.options import coloured
from fleet.cli.running.schedules import Coming
from fleet.cli.views.text_table import Column, Row, table
from fleet.duration_words import measured
from fleet.visible import visible

_WIDE = 1000  # columns
_CODES = {"bad": "31", "good": "32", "dim": "2", "warn": "33"}
_ROLES = {"succeeded": "good", "failed": "bad", "lost": "bad", "expired": "warn"}


def as_table(schedules: Sequence[Row], now: float) -> Iterator[str]:
    """`now` is POSIX seconds."""
    paint = _paint if coloured(sys.stdout) else _plain
    columns = schedule_columns(lambda _row: now)
    # Who reads a pipe looks for whole names.
    yield from table(columns, schedules, terminal_width() if sys.stdout.isatty() else _WIDE, paint)
    for row in schedules:
        if said := remark(row):
            yield paint(f"  {visible(row['name'])}: {visible(said)}", "warn")


def schedule_columns(now: Callable[[Row], float]) -> list[Column]:
    """`now` gives the POSIX seconds that a row is as of."""
    return [
        Column("SCHEDULE", lambda row: visible(row["name"]), shrinks=True),
        Column("WHEN", lambda row: visible(f"{row['when']}{_zone(row)}")),
        Column("NEXT", lambda row: _next(row, now(row))),
        Column("LAST RUN", lambda row: _ago(row, now(row))),
        Column("OUTCOME", _outcome, role=lambda row: _ROLES.get(str((row["last"] or {}).get("outcome")), "")),
        Column("TOOK", lambda row: measured((row["last"] or {}).get("seconds")), right=True),
        Column("LATE", _late, right=True),
    ]


def as_timeline(runs: Sequence[Coming], now: float) -> Iterator[str]:
    """A line a run, in the time zone of its schedule."""
    width = max((len(schedule.name) for _, schedule in runs), default=0)
    for moment, schedule in runs:
        at = _local(moment, schedule.timezone)
        until = measured(max(0.0, moment / 1000 - now))
        what = f"{visible(schedule.name):<{width}}  {visible(schedule.task)}"
        yield f"{at:%a %Y-%m-%d %H:%M:%S %Z}  in {until:>12}  {what}"


def as_preview(runs: Sequence[Coming]) -> Iterator[str]:
    """A line a run; where the clocks are changed in between, that is said."""
    before = None
    for moment, schedule in runs:
        at = _local(moment, schedule.timezone)
        changed = before is not None and before != at.utcoffset()
        yield f"{at:%a %Y-%m-%d %H:%M:%S %Z}{'  (the clocks have been changed)' if changed else ''}"
        before = at.utcoffset()


def runs_as_dicts(runs: Sequence[Coming]) -> list[dict[str, Any]]:
    return [
        {
            "name": schedule.name,
            "task": schedule.task,
            "at": _local(moment, "UTC").isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "local": _local(moment, schedule.timezone).isoformat(timespec="milliseconds"),
        }
        for moment, schedule in runs
    ]


def _local(moment: int, timezone: str) -> datetime:
    return datetime.fromtimestamp(moment / 1000, UTC).astimezone(ZoneInfo(timezone))


def _zone(row: Row) -> str:
    return "" if row["when"].startswith("every") or row["timezone"] == "UTC" else f" {row['timezone']}"


def _next(row: Row, now: float) -> str:
    if not row["enabled"]:
        return "disabled"
    if row["paused"] and row["paused"]["until"] is None:
        return "paused"
    if not row["next"]:
        return "never"
    return f"in {measured(max(0.0, _seconds(row['next'][0]) - now))}"


def _ago(row: Row, now: float) -> str:
    last = row["last"]
    return "-" if last is None else f"{measured(max(0.0, now - _seconds(last['sent_at'])))} ago"


def _outcome(row: Row) -> str:
    return "-" if row["last"] is None else str(row["last"]["outcome"])


def _late(row: Row) -> str:
    return measured((row["last"] or {}).get("late_seconds"))


def remark(row: Row) -> str:
    """What stands in the way of its runs, "" for nothing."""
    if pause := row["paused"]:
        until = f" until {pause['until']}" if pause["until"] else ""
        why = f": {pause['reason']}" if pause["reason"] else ""
        return f"paused by {pause['by']}{until}{why}"
    if row["skipped"]:
        runs = "run" if row["skipped"] == 1 else "runs"
        return f"{row['skipped']} {runs} left out while the one before has not ended"
    return ""


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()


def _paint(text: str, role: str) -> str:
    return f"\x1b[{_CODES[role]}m{text}\x1b[0m" if role in _CODES else text


def _plain(text: str, _role: str) -> str:
    return text
