"""Statistics of each (queue, task) of a worker: outcomes, seconds, how long messages waited. In the loop, and cheap.

The loop counts, the watchdog reads: it may see an event half counted, and sees all of it with the next line, for what
is told is cumulative. `benchmarks/counting.py` measures what it costs.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from fleet.broker.delivery import Delivery
from fleet.broker.reposting import due_at
from fleet.clock import time
from fleet.histogram import BOUNDS
from fleet.protocol.fields import SENT_HEADER
from fleet.telemetry import (
    CPU,
    DURATIONS,
    MOST_SERIES,
    NEGATIVE_WAITS,
    OTHER,
    OUTCOMES,
    RETRIED,
    SUCCEEDED,
    UNKNOWN_WAITS,
    WAITED,
    WAITS,
    WALL,
    TaskEntry,
    nothing,
)
from fleet.worker.error_groups import ErrorGroups
from fleet.worker.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    Numbers = tuple[object, str, str, int, float, float, float | None, str]  # of an EndedTask

KEPT_ENDED = 1000
_KEPT_FIRST = 1000
_RAN = RETRIED  # of the outcomes this one and those before it are of tasks that ran
_LATEST_MOMENT = 2**53


class EndedTask(NamedTuple):
    """One of the last that ended. `begun` is monotonic."""

    delivery_id: object
    task: str
    queue: str
    outcome: int  # a place in OUTCOMES
    begun: float
    wall_seconds: float
    wait_seconds: float | None
    reason: str


class FirstTask(NamedTuple):
    """One of the first that ran in this process. `begun` is monotonic."""

    task: str
    begun: float
    wall_seconds: float


class _Series:
    __slots__ = ("last_success", "numbers", "task")

    def __init__(self, task: str) -> None:
        self.task = task
        self.numbers = nothing()
        self.last_success = 0.0  # monotonic


class TaskStatistics:
    """Cumulative since the process began. One thread counts, another may read."""

    def __init__(self) -> None:
        self.birth = os.urandom(12).hex()
        self.errors = ErrorGroups()
        self._ended: deque[Numbers] = deque(maxlen=KEPT_ENDED)
        self._first: list[FirstTask] = []
        self._end: Callable[[Numbers], None] = self._end_as_first
        self._series: dict[tuple[str, object], _Series] = {}
        self._known: frozenset[str] = frozenset()  # names of the app's tasks
        self.set_clock()

    def set_clock(self) -> None:
        """Somebody may have set the clock of the day; seen by the watchdog, so that no task pays for a look."""
        self.since_epoch = time.time() - time.monotonic()

    @property
    def ended(self) -> list[EndedTask]:
        """The last ones, the oldest first. RuntimeError when another one ends just then."""
        return [EndedTask(*each) for each in self._ended]

    @property
    def first(self) -> list[FirstTask]:
        """The first ones, when `ended` no longer has them all; else none.

        They began on a worker that was filling up: how long they took tells what few at once take.
        """
        return [] if len(self._first) < _KEPT_FIRST else list(self._first)

    def _end_as_first(self, ended: Numbers) -> None:
        self._ended.append(ended)
        self._first.append(FirstTask(ended[1], ended[4], ended[5]))
        if len(self._first) >= _KEPT_FIRST:
            self._end = self._ended.append  # from now on nobody pays for this

    def learn(self, tasks: frozenset[str]) -> None:
        """The names that the app has: whoever can send a message could make up any number of others."""
        self._known = tasks

    def count(self, delivery: Delivery, outcome: Outcome, kind: int, since: float, now: float) -> None:
        """A delivery that has ended as OUTCOMES[kind]; in the pool since `since`, and now it is `now`, monotonic.

        Written for speed: every task passes here.
        """
        queue, headers = delivery.queue, delivery.headers
        name = headers.get("task")
        try:
            series = self._series[queue, name]
        except (KeyError, TypeError):  # a list, say, in place of a name
            series = self._find(queue, name)
        numbers, wall, wait, begun = series.numbers, outcome.wall_seconds, None, since
        numbers[kind] += 1
        if kind <= _RAN:
            if not wall and now > since:  # its process was ended for it
                wall = now - since
            # Prefork is sent work ahead; and where tasks keep the loop from going on it hears of their ends late.
            begun = outcome.ended_at
            begun = (begun if since < begun < now else now) - wall
            if begun < since:  # noqa: PLR1730  max() is a call
                begun = since
            numbers[WALL] += wall
            numbers[CPU] += outcome.cpu_seconds
            numbers[DURATIONS + bisect_left(BOUNDS, wall)] += 1
            sent = headers.get(SENT_HEADER)
            if sent.__class__ is int and 0 < sent < _LATEST_MOMENT and not headers.get("eta"):
                wait = begun + self.since_epoch - sent / 1000
            elif (ready := _ready_at(delivery)) is not None:
                wait = begun + self.since_epoch - ready
            if wait is None:
                numbers[UNKNOWN_WAITS] += 1
            else:
                if wait < 0.0:
                    numbers[NEGATIVE_WAITS] += 1
                    wait = 0.0
                numbers[WAITED] += wait
                numbers[WAITS + bisect_left(BOUNDS, wait)] += 1
        if kind == SUCCEEDED:
            series.last_success = begun + wall
        else:
            self.errors.count(delivery, outcome, series.task, OUTCOMES[kind], begun + wall + self.since_epoch)
        self._end((headers.get("id"), series.task, queue, kind, begun, wall, wait, outcome.reason))

    def _find(self, queue: str, name: object) -> _Series:
        task = name if isinstance(name, str) and name in self._known else OTHER
        key = (queue, task)
        if key not in self._series and len(self._series) >= MOST_SERIES:
            key = (queue, OTHER)
        return self._series.setdefault(key, _Series(key[1]))

    def by_task(self) -> dict[str, list[float]]:
        """[how many ran, wall seconds, CPU seconds] of each task, whatever its queue."""
        found: dict[str, list[float]] = {}
        for series in list(self._series.values()):
            if ran := sum(series.numbers[: _RAN + 1]):
                totals = found.setdefault(series.task, [0, 0.0, 0.0])
                totals[0] += ran
                totals[1] += series.numbers[WALL]
                totals[2] += series.numbers[CPU]
        return found

    def tell(self, told: dict[tuple[str, str], float]) -> list[TaskEntry]:
        """The entries that have counted something since; `told` remembers that, by what each had counted."""
        entries = []
        for (queue, _), series in list(self._series.items()):
            task = series.task
            counted = sum(series.numbers[: len(OUTCOMES)])
            if told.get((queue, task)) != counted:
                told[queue, task] = counted
                at = series.last_success and series.last_success + self.since_epoch
                entries.append(TaskEntry(queue, task, list(series.numbers), round(at, 3)))
        return entries


def _ready_at(delivery: Delivery) -> float | None:
    """Since when it could have begun, as a POSIX timestamp; None when nobody has said."""
    sent = delivery.headers.get(SENT_HEADER)
    if type(sent) is int and 0 < sent < _LATEST_MOMENT:
        ready: float | None = sent / 1000
    else:
        ready = delivery.ready_since
    if delivery.headers.get("eta") and (due := due_at(delivery)) is not None:
        return due if ready is None else max(ready, due)
    return ready
