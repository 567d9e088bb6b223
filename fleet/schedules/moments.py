"""The moments of a schedule: which one comes next, which one was the last. Pure; the clock is an argument.

A moment is a whole number of milliseconds since 1970 (UTC). Cron expressions are read and stepped through by cronsim;
what becomes of local times that a change of the clocks skips or repeats is decided here, for all of them alike:

- A time that does not exist fires once, at the first moment after the gap. One that exists twice fires at the first.
- Where the hour field says every hour, what counts is time that passes: nothing is skipped, nothing fires twice.

`every` counts from 1970 and not from some start: two hosts, and a fleet that has lost its notes, agree on it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from fleet.schedules.app_schedules import Ticks
from fleet.spec import Spec

__all__ = [
    "MINUTE",
    "SECOND",
    "BadCron",
    "Timing",
    "after",
    "check_cron",
    "latest",
    "shortest_gap",
    "skipped",
    "spelt_out",
    "upcoming",
]

SECOND = 1000
MINUTE = 60 * SECOND
_EVERY_HOUR = 24
_DAY = 24 * 60 * MINUTE
# How far back `latest` looks, step by step: most schedules have fired within the first.
_WINDOWS = (MINUTE, 60 * MINUTE, 24 * 60 * MINUTE, 31 * 24 * 60 * MINUTE, 366 * 24 * 60 * MINUTE)
_FAR = 50 * _WINDOWS[-1]
_LAST_YEAR = 9998  # of Python's calendar, with one to spare
_NICKNAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}


class BadCron(ValueError):  # noqa: N818
    """Not a cron expression; the text says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Timing(Spec):
    """When a schedule fires: `cron` in `timezone`, or `every` so many milliseconds.

    `weekdays` (0: Monday), unless empty, are the only ones of what `cron` says: to cron itself a day of the month
    and a weekday are joined with "or", to Celery with "and".
    """

    cron: str | None = None
    every: int | None = None
    timezone: str = "UTC"
    weekdays: tuple[int, ...] = ()


def spelt_out(cron: str) -> str:
    """The fields of an expression that may be a nickname, such as `@daily`."""
    return _NICKNAMES.get(cron.strip().lower(), cron)


def check_cron(text: str) -> None:
    """Raises BadCron for what is no expression. One that never fires, as on 31 February, is none the less one."""
    fields = spelt_out(text).split()
    if len(fields) not in (5, 6):
        raise BadCron(
            f"expected five fields (minute hour day month weekday), or six with seconds first, got {len(fields)}"
        )
    names = ("second", "minute", "hour", "day", "month", "weekday")
    for place, field in enumerate(fields, 6 - len(fields)):
        alone = ["*"] * 6
        alone[place] = field
        try:
            CronSim(" ".join(alone), datetime(2000, 1, 1))  # noqa: DTZ001
        except (CronSimError, ValueError, AssertionError, IndexError):
            raise BadCron(f"{field!r} is no {names[place]}") from None


def after(timing: Timing | Ticks, moment: int) -> int | None:
    """The first moment after that one; None when there is none."""
    if not isinstance(timing, Timing):
        return next(timing.upcoming(moment, None), None)
    if timing.every is not None:
        return None if timing.every <= 0 else (moment // timing.every + 1) * timing.every
    return next(_cron_moments(timing, moment), None)


def latest(timing: Timing | Ticks, moment: int) -> int | None:
    """The last moment that is not after that one; None when there was none for fifty years."""
    if not isinstance(timing, Timing):
        return timing.latest(moment)
    if timing.every is not None:
        return None if timing.every <= 0 else moment // timing.every * timing.every
    for window in (*_WINDOWS, _FAR):
        found = None
        for each in _cron_moments(timing, max(0, moment - window) - 1):
            if each > moment:
                break
            found = each
        if found is not None or window >= moment:
            return found
    return None


def upcoming(timing: Timing | Ticks, moment: int, now: int | None = None) -> Iterator[int]:
    """All moments after that one, in order; `now` is what the time is, for those that an object tells."""
    if not isinstance(timing, Timing):
        yield from timing.upcoming(moment, now)
        return
    if timing.every is None:
        yield from _cron_moments(timing, moment)
        return
    following = after(timing, moment)
    while following is not None:
        yield following
        following = after(timing, following)


def shortest_gap(timing: Timing, moment: int, most: int = 200) -> int | None:
    """The shortest time between two of the next `most` moments; None when fewer than two are left."""
    if timing.every is not None:
        return timing.every if timing.every > 0 else None
    shortest, before = None, None
    for _, each in zip(range(most), _cron_moments(timing, moment), strict=False):
        if before is not None and (shortest is None or each - before < shortest):
            shortest = each - before
        before = each
    return shortest


def skipped(timing: Timing, moment: int) -> int | None:
    """When next the clocks of its zone jump over a time at which it should fire; None when they never do.

    Where every hour is meant nothing is missed: then this is None, too.
    """
    if timing.cron is None or timing.timezone == "UTC":
        return None
    zone = _zone(timing.timezone)
    for gap in _gaps(timing.timezone, moment // _DAY):
        before = gap // SECOND - 1
        start = datetime.fromtimestamp(before, zone).replace(tzinfo=None)
        end = datetime.fromtimestamp(before + 1, zone).replace(tzinfo=None)
        try:
            ticks = CronSim(spelt_out(timing.cron), start)
        except CronSimError:
            return None
        if len(ticks.hours) == _EVERY_HOUR:
            return None
        tick = next(ticks, None)
        if tick is not None and tick < end:
            return gap
    return None


@lru_cache(64)
def _gaps(timezone: str, day: int) -> tuple[int, ...]:
    """The moments within two years of that day (since 1970) at which its clocks are put forward."""
    zone = _zone(timezone)
    gaps = []
    for each in range(day, day + 2 * 366):
        early, late = each * 86400, (each + 1) * 86400
        was, now = _offset(early, zone), _offset(late, zone)
        if was is not None and now is not None and now > was:
            gaps.append(_end_of_gap(early, late, zone) * SECOND)
    return tuple(gaps)


def _cron_moments(timing: Timing, moment: int) -> Iterator[int]:
    """Strictly rising. A second that has begun is over: expressions know whole seconds."""
    assert timing.cron is not None, "a schedule has one of the two"
    zone = _zone(timing.timezone)
    start = datetime.fromtimestamp(moment // SECOND, zone)
    try:
        ticks = CronSim(spelt_out(timing.cron), start.replace(tzinfo=None))
    except CronSimError:
        return  # an impossible date: cronsim refuses what never comes
    if len(ticks.hours) == _EVERY_HOUR:
        ticks.dt = start  # in a zone it steps through real time
    last = moment
    for tick in ticks:
        if tick.year > _LAST_YEAR:
            return
        if timing.weekdays and tick.weekday() not in timing.weekdays:
            continue
        found = _instant(tick, zone)
        # Local times that are skipped together all fall onto the end of the gap; and in an hour that comes a second
        # time, what it repeats has been.
        if found > last:
            yield found
            last = found


def _instant(tick: datetime, zone: ZoneInfo) -> int:
    """The first moment at which a clock in `zone` shows that time, or would have if it had not been skipped."""
    if tick.tzinfo is not None:
        return round(tick.timestamp()) * SECOND
    early, late = (round(tick.replace(tzinfo=zone, fold=fold).timestamp()) for fold in (1, 0))
    if late <= early:
        return late * SECOND  # it exists, be it once or twice; then fold=0 is the first
    return _end_of_gap(early, late, zone) * SECOND


def _end_of_gap(early: int, late: int, zone: ZoneInfo) -> int:
    """The second between the two from which on the clocks of `zone` show the new time."""
    new = _offset(late, zone)
    while late - early > 1:
        middle = (early + late) // 2
        if _offset(middle, zone) == new:
            late = middle
        else:
            early = middle
    return late


def _offset(second: int, zone: ZoneInfo) -> timedelta | None:
    return datetime.fromtimestamp(second, UTC).astimezone(zone).utcoffset()


@lru_cache(64)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)
