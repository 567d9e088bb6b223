"""The words of `fleet top`'s screens: times, rates, counts as they stand in a cell. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fleet.cli.screen.model import Row
from fleet.cli.views.text_table import compact
from fleet.duration_words import roughly


def moment(value: object) -> float:
    """POSIX seconds of a time in an answer; 0 for what is none."""
    if isinstance(value, int | float):
        return float(value)
    try:
        return datetime.fromisoformat(str(value)).timestamp()
    except ValueError:
        return 0.0


def clock(value: object) -> str:
    """As in 11-29 14:03:10, in UTC as everywhere in fleet."""
    return datetime.fromtimestamp(moment(value), UTC).strftime("%m-%d %H:%M:%S")


def short_place(place: object) -> str:
    """Of "/srv/shop/tasks.py:12 in resize" what says most."""
    return str(place or "-").rpartition("/")[2]


def number(value: float | None) -> str:
    return "-" if value is None else compact(value)


def rate(value: float | None) -> str:
    """A second."""
    if value is None:
        return "-"
    return compact(value) if value >= 99.5 else f"{value:.3g}" if value >= 0.001 else "0"


def window(row: Row, *path: str) -> Any:
    """Something of what was counted lately; None when nothing was."""
    found = row.get("window")
    for name in path:
        found = (found or {}).get(name)
    return found


def total(row: Row, key: str) -> float | None:
    known = [worker[key] for worker in row["workers"] if worker.get(key) is not None]
    return sum(known) if known else None


def ago(value: object, now: float) -> str:
    return f"{roughly(now - moment(value))} ago"


def error_line(error: Row, now: float) -> str:
    """As in ValueError 3 times, tasks.py:12 in resize, 2 min ago."""
    times = "once" if error["times"] == 1 else f"{compact(error['times'])} times"
    return f"{error['type']} {times}, {short_place(error['place'])}, {ago(error['last_at'], now)}"
