"""Moments of Celery schedules that no expression says: `solar`, and the classes of a project.

Celery's own tell by the time that they are given when they fire next: they are asked for any moment. A project's class
may look at anything, as a switch in a database: it is asked now, as by beat, and again when it says.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from fleet.clock import time

_SECOND = 1000
_AGAIN = 60 * _SECOND  # after an error of the class
_LEAST, _MOST = 1, 300  # seconds until it is asked again; beat's default at most, too
_APART = 5 * _SECOND  # a sunrise that is computed again may come out some milliseconds later
_MOST_STEPS = 10_000
_WINDOWS = tuple(timedelta(days=days) // timedelta(milliseconds=1) for days in (1, 32, 400))


def is_own(schedule: Any) -> bool:
    """Whether a project's class decides when it is due."""
    from celery.schedules import crontab, solar
    from celery.schedules import schedule as interval

    kind, known = type(schedule), (crontab, interval, solar)
    return not any(
        kind.is_due is each.is_due and kind.remaining_estimate is each.remaining_estimate for each in known
    )


def rule_of(schedule: Any) -> str:
    """A text that stays the same from one process to the next."""
    try:
        said = repr(schedule)
    except Exception:  # of a project's class
        said = ""
    kind = type(schedule)
    return f"{kind.__module__}.{kind.__qualname__}" if not said or " at 0x" in said else said.strip("<>")


class AskedTicks:
    """See Ticks. `say` takes what is wrong, once for each thing."""

    def __init__(self, schedule: Any, say: Callable[[str], None]) -> None:
        from celery.schedules import solar

        self.rule = rule_of(schedule)
        self._schedule = copy.copy(schedule)
        self._say = say
        self._apart = _APART if isinstance(schedule, solar) else 0

    def upcoming(self, moment: int, now: int | None) -> Iterator[int]:
        while True:
            try:
                moment = self._after(moment)
            except Exception as error:  # of a project's class
                self._say(f"its schedule fails: {error!r}")
                yield (int(time.time() * _SECOND) if now is None else now) + _AGAIN
                return
            yield moment

    def latest(self, moment: int) -> int | None:
        for window in _WINDOWS:
            found = None
            for each in self.upcoming(moment - window, moment):
                if each > moment:
                    break
                found = each
            if found is not None:
                return found
        return None

    def _after(self, moment: int) -> int:
        asked = moment
        for _ in range(_MOST_STEPS):
            at = datetime.fromtimestamp(asked / _SECOND, self._schedule.tz)
            self._schedule.nowfun = lambda at=at: at
            found: int = asked + self._schedule.remaining_estimate(at) // timedelta(milliseconds=1)
            if self._apart:
                found -= found % _SECOND
            if found > moment + self._apart:
                return found
            asked += max(self._apart, _SECOND)
        raise ValueError("it never fires")


class PolledTicks:
    """See Ticks; one that is due fires now."""

    def __init__(self, schedule: Any, say: Callable[[str], None]) -> None:
        self.rule = rule_of(schedule)
        self._schedule = schedule
        self._say = say

    def upcoming(self, moment: int, now: int | None) -> Iterator[int]:
        now = int(time.time() * _SECOND) if now is None else now
        try:
            is_due, seconds = self._schedule.is_due(
                datetime.fromtimestamp(moment / _SECOND, self._schedule.tz)
            )
            again = now + round(min(max(float(seconds), _LEAST), _MOST) * _SECOND)
        except Exception as error:  # of a project's class
            self._say(f"its schedule fails: {error!r}")
            is_due, again = False, now + _AGAIN
        if is_due:
            yield max(now, moment + 1)
        yield again

    def latest(self, _moment: int) -> int | None:
        return None
