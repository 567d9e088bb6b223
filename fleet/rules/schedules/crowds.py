"""Crowds of schedules: many that fire at one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Finding
from fleet.rules.registry import rule
from fleet.rules.schedules.times import SECOND, key_of_time, now_ms, spoken, timing
from fleet.rules.words import cut

# Its library is loaded only for a file with schedules.
if TYPE_CHECKING:
    from fleet.schedules.moments import Timing

_CROWD = 10
_MONTH = 35  # as many moments of each: what fires daily then meets what fires once a month
_MOMENTS_IN_ALL = 20_000


@rule(
    "FLT808",
    "schedules-at-one-moment",
    "warning",
    varies=True,
    reads=("all schedules.cron", "all schedules.every", "all schedules.jitter", "all schedules.timezone"),
)
def schedules_at_one_moment(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """Many schedules fire at the same moment.

    Twenty jobs at midnight are a queue that is twenty jobs long at 00:00:00 and empty for the rest of the
    day: the last one starts when all others are done, and whatever they share (a database, an API) gets
    all of it at once. However it is written: `@daily`, `0 0 * * *` and `every = "1d"` are one moment.
    `jitter` spreads them, by the same amount on every host.

    Bad, with ten of these:

        [[schedules]]
        task = "shop.reports.daily"
        cron = "0 0 * * *"

    Good:

        [[schedules]]
        task = "shop.reports.daily"
        cron = "0 0 * * *"
        jitter = "10m"
    """
    timings = {
        index: found
        for index, schedule in enumerate(fleet.schedules)
        if schedule.enabled and not schedule.jitter and (found := timing(fleet, schedule)) is not None
    }
    for indexes in _crowds(timings):
        rarest = max(indexes, key=lambda index: (_gap(timings[index]), -index))
        first = indexes[0]
        names = cut([f'"{fleet.schedules[index].called}"' for index in indexes], most=5)
        yield Finding(
            key_of_time(first, fleet.schedules[first]),
            f"{len(indexes)} schedules fire at the same moment ({_time_of_day(timings[rarest])}): {names}",
            help='give them a jitter, as in jitter = "5m", or other minutes',
            about=tuple(("schedules", index) for index in indexes),
        )


def _crowds(timings: Mapping[int, Timing]) -> Iterator[list[int]]:
    """Schedules that fire together, each in its largest crowd, by their next moments."""
    if len(timings) < _CROWD:
        return
    from fleet.schedules.moments import upcoming

    now, most = now_ms(), max(2, min(_MONTH, _MOMENTS_IN_ALL // len(timings)))
    at: dict[int, set[int]] = defaultdict(set)
    for index, found in timings.items():
        for moment in islice(upcoming(found, now), most):
            at[moment].add(index)
    for index, found in timings.items():
        if found.every:  # often, or seldom: which of the moments are its is known without counting up to them
            for moment, together in at.items():
                if moment % found.every == 0:
                    together.add(index)
    while len(crowd := sorted(max(at.values(), key=len, default=()))) >= _CROWD:
        yield crowd
        for each in at.values():
            each.difference_update(crowd)


def _gap(found: Timing) -> int:
    from fleet.schedules.moments import shortest_gap

    return shortest_gap(found, now_ms(), 2) or 0


def _time_of_day(found: Timing) -> str:
    """Of the one that fires most seldom: there they all meet."""
    if found.every is not None:
        return f"every {spoken(found.every / SECOND)}"
    from fleet.schedules.moments import spelt_out

    fields = spelt_out(found.cron or "").split()
    minute, hour = fields[-5:-3] if len(fields) >= 5 else ("", "")
    if minute.isdigit() and hour.isdigit():
        return f"{int(hour):02}:{int(minute):02} {found.timezone}"
    return f"minute {minute}, hour {hour}, {found.timezone}" if hour else f"{found.cron}, {found.timezone}"
