"""Series of points and events by ranges of time, read from history.db. In any thread; SQLite's errors come through."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from typing import Any, NamedTuple

from fleet.controller.history.database import reading
from fleet.controller.history.points import KEPT_SECONDS, STEPS, HistoryPoint
from fleet.controller.history.totals import Key

MOST_POINTS = 5000
MOST_EVENTS = 1000


class Series(NamedTuple):
    """Points of `step_seconds` each, by when they began (POSIX seconds), oldest first. Idle ones are not there."""

    step_seconds: int
    points: list[tuple[int, HistoryPoint]]


def step_for(begin: float, end: float, now: float) -> int:
    """The shortest points that reach back that far and are not too many."""
    for step in STEPS:
        if begin >= now - KEPT_SECONDS[step] and (end - begin) / step <= MOST_POINTS:
            return step
    return STEPS[-1]


def series(path: Path, key: Key, begin: float, end: float, step: int) -> Series:
    """Empty where there is nothing, and no file."""
    if not path.exists():
        return Series(step, [])
    with reading(path) as db:
        rows = db.execute(
            "SELECT at, counts, gauges FROM points JOIN series ON series = id WHERE kind = ? AND name = ? AND task = ?"
            " AND step = ? AND at >= ? AND at < ? ORDER BY at DESC LIMIT ?",
            (*key, step, begin, end, MOST_POINTS),
        ).fetchall()
    return Series(step, [(at, HistoryPoint.from_columns(*columns)) for at, *columns in reversed(rows)])


def names(path: Path) -> list[Key]:
    """Of all series that have points."""
    if not path.exists():
        return []
    with reading(path) as db:
        return [
            Key(*row) for row in db.execute("SELECT kind, name, task FROM series ORDER BY kind, name, task")
        ]


def events(path: Path, before: int | None, limit: int) -> list[dict[str, Any]]:
    """The latest that are older than number `before`, the latest first."""
    if not path.exists():
        return []
    with reading(path) as db:
        rows = db.execute(
            "SELECT entry FROM events WHERE sequence < ? ORDER BY sequence DESC LIMIT ?",
            (2**62 if before is None else before, min(limit, MOST_EVENTS)),
        ).fetchall()
    return [json.loads(entry) for (entry,) in rows]


ReadingFailed = sqlite3.Error
