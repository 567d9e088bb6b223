"""Settings of schedules beside their times: a zone that nothing asks for, arguments that no JSON can hold."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite
from typing import Any

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Drop, Finding, KeyPath, Mark
from fleet.rules.registry import rule


@rule(
    "FLT813",
    "timezone-without-cron",
    "warning",
    fix="unsafe",
    reads=("schedules.timezone", "schedules.cron", "schedules.every"),
)
def timezone_without_cron(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A schedule with `every` says a time zone.

    `every` is counted from midnight UTC, whatever the zone: every = "24h" fires at midnight UTC. Only `cron` is read in
    a time zone.

    Bad:

        [[schedules]]
        task = "shop.reports.nightly"
        every = "24h"
        timezone = "Europe/Berlin"

    Good:

        [[schedules]]
        task = "shop.reports.nightly"
        cron = "0 0 * * *"
        timezone = "Europe/Berlin"
    """
    for index, schedule in enumerate(fleet.schedules):
        if schedule.timezone is not None and schedule.every is not None and schedule.cron is None:
            path: KeyPath = ("schedules", index, "timezone")
            yield Finding(
                path,
                f'`timezone` of schedule "{schedule.called}" does nothing: `every` is counted from midnight UTC',
                related=(Mark(("schedules", index, "every"), "no time of day"),),
                help="remove it, or say the time of day with `cron`",
                steps=(Drop(path),),
            )


@rule("FLT814", "argument-not-in-json", "warning", reads=("schedules.args", "schedules.kwargs"))
def argument_not_in_json(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """An argument of a schedule that JSON does not have: `nan` or `inf`.

    TOML knows them, JSON does not. Python writes and reads them all the same, but nothing else does: clients in other
    languages, `jq` and browsers refuse the whole message, and so does a database that keeps results as JSON.

    Bad:

        [[schedules]]
        task = "shop.stock.sync"
        every = "1h"
        kwargs = { limit = inf }

    Good:

        [[schedules]]
        task = "shop.stock.sync"
        every = "1h"
    """
    for index, schedule in enumerate(fleet.schedules):
        for key in ("args", "kwargs"):
            for path, number in _not_finite(("schedules", index, key), getattr(schedule, key)):
                yield Finding(
                    path,
                    f'schedule "{schedule.called}" sends {number}, which JSON does not have: only Python can read it',
                    help='another number, or leave the argument out; a text such as "inf", if the task reads that',
                )


def _not_finite(path: KeyPath, value: Any) -> Iterator[tuple[KeyPath, float]]:
    if isinstance(value, float) and not isfinite(value):
        yield path, value
    elif isinstance(value, dict | list | tuple):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _not_finite((*path, key), each)
