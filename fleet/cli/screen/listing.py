"""The lists of `fleet top`: of queues, groups with their workers, tasks, errors, events and schedules. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from fleet.cli.screen import clock_rows, columns
from fleet.cli.screen.model import EVENTS, FAILED, GROUPS, QUEUES, SCHEDULES, TASKS, Answered, Model, Row
from fleet.cli.screen.words import moment, total, window
from fleet.cli.views.text_table import Column

Sort = tuple[str, Callable[[Row], Any]]
"""Its name, and what is sorted by; the first is the order as it comes."""


@dataclass(frozen=True, slots=True)
class Listing:
    """`empty` says what would fill it; each row has a `key` that is its own."""

    rows: Callable[[Answered], list[Row]]
    columns: Callable[[int], list[Column]]
    empty: str
    sorts: Sequence[Sort]


def rows(model: Model) -> list[Row]:
    """As they are shown: filtered, and sorted."""
    listing = LISTINGS[model.screen]
    found = listing.rows(model.known)
    if model.filter:
        shown, wanted = listing.columns(columns.WIDE), model.filter.casefold()
        found = [row for row in found if any(wanted in each.value(row).casefold() for each in shown)]
    if model.marked:
        found = [{**row, "marked": row["key"] in model.marked} for row in found]
    if sort := model.sort % len(listing.sorts):
        found = sorted(found, key=listing.sorts[sort][1])
    return found


def position(model: Model, found: Sequence[Row]) -> int:
    """Of the row that is chosen."""
    for index, row in enumerate(found):
        if row["key"] == model.chosen:
            return index
    return max(0, min(model.position, len(found) - 1))


def chosen(model: Model) -> Row | None:
    found = rows(model) if model.screen in LISTINGS else []
    return found[position(model, found)] if found else None


def _most(*path: str) -> Callable[[Row], float]:
    return lambda row: -(window(row, *path) or 0)


LISTINGS = {
    QUEUES: Listing(
        columns.queues,
        columns.queue_columns,
        "no queues are known yet: [queues.NAME] in fleet.toml declares one",
        (
            ("as in the file", len),
            ("most waiting", lambda row: -(row.get("ready") or 0)),
            ("oldest", lambda row: -(row.get("oldest_seconds") or 0)),
            ("most dead", lambda row: -(row.get("dead") or 0)),
        ),
    ),
    GROUPS: Listing(
        columns.groups,
        columns.group_columns,
        "no worker groups here: [workers.NAME] in fleet.toml declares one",
        (
            ("as in the file", len),
            ("most memory", lambda row: -(total(row, "rss_bytes") or 0)),
            ("busiest", lambda row: -(total(row, "in_flight") or 0)),
            ("most crashes", lambda row: -(total(row, "restarts") or 0)),
        ),
    ),
    TASKS: Listing(
        columns.tasks,
        columns.task_columns,
        "no task has ended yet: `fleet send TASK` sends one; workers tell every ten seconds",
        (
            ("by queue and name", len),
            ("most a second", _most("per_second")),
            ("most failed", _most("outcomes", "failed")),
            ("slowest", _most("duration", "p95")),
            ("longest wait", _most("wait", "p95")),
        ),
    ),
    FAILED: Listing(
        columns.errors,
        columns.error_columns,
        "nothing has failed; `fleet dead list` shows dead letters",
        (
            ("latest", len),
            ("most often", lambda row: -row["times"]),
            ("newest kind", lambda row: -moment(row["first_at"])),
        ),
    ),
    EVENTS: Listing(
        columns.events,
        columns.event_columns,
        "no events yet",
        (("latest", len), ("earliest", lambda row: moment(row.get("at")))),
    ),
    SCHEDULES: Listing(
        clock_rows.schedules,
        clock_rows.clock_columns,
        "nothing is sent by the clock: [[schedules]] in fleet.toml declares it",
        (
            ("as in the file", len),
            ("next", lambda row: row["next_at"] or "9"),
            ("latest", lambda row: -((row["last"] or {}).get("late_seconds") or 0)),
        ),
    ),
}
