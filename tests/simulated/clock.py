"""Virtual time: it passes only where somebody waits, and what is due meanwhile happens in between.

The code under test reads `time` in many modules. `installed` gives all of them this clock, and
takes it away again; the rest of the process keeps the real time.
"""

from __future__ import annotations

import heapq
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from unittest import mock

import fleet.clock

EPOCH = 1_800_000_000.0
LONGEST_SECONDS = 100_000.0  # who waits longer has hung
MOST_STEPS = 60_000  # waits and events of one schedule; what takes more turns without end


class HungError(AssertionError):
    """Somebody waits for what never comes."""


class Clock:
    """Seconds since the schedule began, and what is to happen when."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()
        self._steps = 0

    def at(self, when: float, event: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), event))

    def after(self, seconds: float, event: Callable[[], None]) -> None:
        self.at(self.now + seconds, event)

    def leap(self, seconds: float) -> None:
        """The process stands still: what was due meanwhile is late."""
        self.now += seconds

    def wait(self, until: float, done: Callable[[], bool]) -> None:
        """Let time pass until `done`, but not beyond `until`."""
        self._step()
        while not done():
            self._step()
            if not self._events or self._events[0][0] > until:
                if until > LONGEST_SECONDS:
                    raise HungError("waits for ever: nothing is going to happen any more")
                self.now = max(self.now, until)
                return
            when, _, event = heapq.heappop(self._events)
            self.now = max(self.now, when)
            event()

    def _step(self) -> None:
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise HungError("turns without end: waits again and again, and nothing comes of it")

    def sleep(self, seconds: float) -> None:
        self.wait(self.now + max(0.0, seconds), lambda: False)


class FakeTime:
    """In place of the module `time`."""

    CLOCK_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", 7)

    def __init__(self) -> None:
        self.clock = Clock()

    def monotonic(self) -> float:
        return self.clock.now

    perf_counter = thread_time = monotonic

    def clock_gettime(self, _which: int) -> float:
        return self.clock.now

    def time(self) -> float:
        return EPOCH + self.clock.now

    def sleep(self, seconds: float) -> None:
        self.clock.sleep(seconds)


_USERS = ("fleet.broker", "fleet.worker", "redis.connection")
_BY_NAME = (
    ("amqp.connection", "monotonic"),
    ("kombu.utils.functional", "sleep"),
    ("kombu.utils.functional", "time"),
)


@contextmanager
def installed() -> Iterator[FakeTime]:
    """The modules of worker and broker that are loaded by now read this time."""
    fake = FakeTime()
    with ExitStack() as stack:
        for name, module in list(sys.modules.items()):
            if name.startswith(_USERS) and getattr(module, "time", None) in (time, fleet.clock.time):
                stack.enter_context(mock.patch.object(module, "time", fake))
        for name, attribute in _BY_NAME:
            if module := sys.modules.get(name):
                stack.enter_context(mock.patch.object(module, attribute, getattr(fake, attribute)))
        yield fake
