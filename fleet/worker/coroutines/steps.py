"""One task's coroutine as a worker runs it, in whatever event loop: measured, and interruptible at its next await.

`Steps` stands between the event loop and the coroutine. What the loop wakes it for it passes on, and it is the place
where a time limit comes in: the exception of a limit takes the place of the cancellation that wakes the coroutine.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Generator
from contextlib import suppress
from types import TracebackType
from typing import Any

from fleet.clock import time
from fleet.tasks import SoftTimeLimitExceeded
from fleet.worker import forks
from fleet.worker.limits import TimeLimitExceeded

# From so many seconds on that it does not let others run, a step has blocked its loop; asyncio's own debug mode
# draws the line there as well.
BLOCKING_SECONDS = 0.1


class Stage:
    """Of one event loop: whose step is running. Written by the loop's thread, read by any."""

    def __init__(self) -> None:
        self.running: Steps | None = None
        self.since = 0.0  # monotonic
        self.blocked_seconds = 0.0  # by all steps that have blocked the loop, together
        self.blocked_by = ""  # the name of the last of them
        self.pid = os.getpid()


class Steps:
    """Await it in the asyncio task that is to be interrupted. `name` is for people."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], stage: Stage, name: str) -> None:
        self._coroutine = coroutine
        self._stage = stage
        self._task: asyncio.Task[Any] | None = None
        self._interruption: BaseException | None = None
        self.name = name
        self.cpu_seconds = 0.0
        self.has_ended = False

    def interrupt(self, error: BaseException) -> None:
        """In the loop's thread: raise `error` where the coroutine waits, or as soon as it waits."""
        if self._task is not None and not self.has_ended:
            self._interruption = error
            self._task.cancel()

    def take_soft_limit(self, seconds: float, *, in_its_thread: bool) -> bool:
        """From another thread or a signal handler. False when the caller can raise it in a step, which runs."""
        task = self._task
        if task is None or (in_its_thread and self._stage.running is self):
            return False
        with suppress(RuntimeError):  # the loop has been closed: it has ended
            task.get_loop().call_soon_threadsafe(self.interrupt, soft_limit(seconds))
        return True

    def __await__(self) -> Generator[Any, Any, Any]:
        self._task = asyncio.current_task()
        return self  # type: ignore[return-value]  # it has all of one that `await` uses

    def __iter__(self) -> Steps:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        if self._interruption is not None:  # whoever was cancelled in our place has swallowed it
            return self._step(self._coroutine.throw, self._take_interruption())
        return self._step(self._coroutine.send, value)

    def throw(
        self, typ: Any, value: BaseException | None = None, _traceback: TracebackType | None = None
    ) -> Any:
        error = value if value is not None else typ
        if self._interruption is not None and isinstance(error, asyncio.CancelledError):
            error = self._take_interruption()
        return self._step(self._coroutine.throw, error)

    def close(self) -> None:
        self._coroutine.close()

    def _take_interruption(self) -> BaseException:
        error, self._interruption = self._interruption, None
        if self._task is not None:
            self._task.uncancel()  # nobody has asked for that: it was ours, to wake it
        assert error is not None
        return error

    def _step(self, resume: Callable[[Any], Any], what: Any) -> Any:
        stage = self._stage
        stage.since = began = time.monotonic()
        cpu_began = time.thread_time()
        stage.running = self
        try:
            waits_for = resume(what)
        except BaseException as error:
            self.has_ended = True
            if os.getpid() != stage.pid:
                forks.end_copy(None if isinstance(error, StopIteration) else error)
            raise
        finally:
            stage.running = None
            self.cpu_seconds += time.thread_time() - cpu_began
            took = time.monotonic() - began
            if took >= BLOCKING_SECONDS:
                stage.blocked_seconds += took
                stage.blocked_by = self.name
        if os.getpid() != stage.pid:  # its event loop is the worker's, with all that the worker waits for
            forks.end_copy(RuntimeError("a copy of a worker, made by os.fork(), can't await anything"))
        return waits_for


def soft_limit(seconds: float) -> BaseException:
    """A SoftTimeLimitExceeded that is a cancellation, too: so `async with TaskGroup()` ends its tasks."""
    return _SoftLimit(f"soft time limit {seconds:g}s exceeded")


def hard_limit(seconds: float) -> BaseException:
    return _HardLimit(f"time limit {seconds:g}s exceeded")


class _SoftLimit(SoftTimeLimitExceeded, asyncio.CancelledError):
    pass


class _HardLimit(TimeLimitExceeded, asyncio.CancelledError):
    pass


# What people and error trackers see of them.
for _own, _named in ((_SoftLimit, SoftTimeLimitExceeded), (_HardLimit, TimeLimitExceeded)):
    _own.__name__, _own.__qualname__, _own.__module__ = (
        _named.__name__,
        _named.__qualname__,
        _named.__module__,
    )
