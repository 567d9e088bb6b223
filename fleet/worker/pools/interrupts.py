"""Soft time limits for threads: the exception is raised in the thread, as soon as it runs Python code.

What waits in a single call (a read without a timeout, a long sleep) sees it when that call returns: CPython
has no other way into a thread. Hard limits are beyond it.
"""

from __future__ import annotations

import ctypes
import heapq
import threading
from itertools import count

from fleet.clock import time
from fleet.worker import limits
from fleet.worker.limits import SoftError


class Interrupts:
    """`Limits` for many threads at once; its own thread starts with the first limit."""

    def __init__(self, soft_error: SoftError) -> None:
        self.soft_error = soft_error
        self._deadlines: list[tuple[float, int]] = []  # a heap, with serials
        self._armed: dict[int, Interrupt] = {}  # by serial; whoever pops it decides
        self._serials = count()
        self._changed = threading.Condition()
        self._watcher: threading.Thread | None = None

    def __call__(self, soft: float | None, _hard: float | None) -> Interrupt:
        return Interrupt(self, soft)

    def arm(self, interrupt: Interrupt, seconds: float) -> int:
        serial = next(self._serials)
        self._armed[serial] = interrupt
        with self._changed:
            heapq.heappush(self._deadlines, (time.monotonic() + seconds, serial))
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="fleet-limits", daemon=True)
                self._watcher.start()
            if self._deadlines[0][1] == serial:
                self._changed.notify()
        return serial

    def disarm(self, serial: int) -> bool:
        """Whether it was in time: then nothing is raised any more."""
        return self._armed.pop(serial, None) is not None

    def _watch(self) -> None:
        while True:
            serial = self._next_due()
            if (interrupt := self._armed.pop(serial, None)) is not None:
                interrupt.throw()

    def _next_due(self) -> int:
        with self._changed:
            while True:
                # Most tasks end in time: what is disarmed is not waited for.
                while self._deadlines and self._deadlines[0][1] not in self._armed:
                    heapq.heappop(self._deadlines)
                if not self._deadlines:
                    self._changed.wait()
                elif (left := self._deadlines[0][0] - time.monotonic()) > 0:
                    self._changed.wait(left)
                else:
                    return heapq.heappop(self._deadlines)[1]


class Interrupt:
    """Around one task, in its thread. Nothing is raised outside the block, leaving it included."""

    def __init__(self, interrupts: Interrupts, soft: float | None) -> None:
        self._interrupts = interrupts
        self._soft = soft
        self._serial: int | None = None
        self._thread = 0
        self._thrown = False

    def __enter__(self) -> None:
        if self._soft:
            self._thread = threading.get_ident()
            self._serial = self._interrupts.arm(self, self._soft)

    def __exit__(self, *_exception: object) -> None:
        if self._serial is None or self._interrupts.disarm(self._serial):
            return
        # It is on its way, or has arrived. Here it still means this task; a moment later, the next one.
        while not self._thrown:
            time.sleep(0)
        for _turn in range(3):
            time.sleep(0)

    def throw(self) -> None:
        """From another thread."""
        take = limits.takers.get(self._thread)
        if take is not None and take(self._soft or 0.0, in_its_thread=False):
            self._thrown = True
            return
        exceeded = _without_arguments(self._interrupts.soft_error(self._soft or 0.0))
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(self._thread), ctypes.py_object(exceeded))
        self._thrown = True


def _without_arguments(error: BaseException) -> type[BaseException]:
    """A class whose instance is as `error`: CPython makes the instance, without arguments."""
    kind, arguments = type(error), error.args
    if not arguments:
        return kind

    class Exceeded(kind):  # type: ignore[valid-type,misc]
        def __init__(self) -> None:
            super().__init__(*arguments)

    Exceeded.__name__ = Exceeded.__qualname__ = kind.__name__
    return Exceeded
