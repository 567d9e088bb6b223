"""Break off a task that takes too long, from within: the alarm of a process that runs one task at a time."""

from __future__ import annotations

import _thread
import signal
from collections.abc import Callable
from types import FrameType
from typing import Protocol

SoftError = Callable[[float], BaseException]  # of a limit of so many seconds: what is raised in the task


class TimeLimitExceeded(BaseException):
    """The hard limit, where a pool can raise it: not an Exception, so that no task catches it by accident."""


class TaskTerminated(BaseException):
    """Raised in a task that somebody wants ended, where a pool can raise it."""


class TakesSoftLimit(Protocol):
    """Raises it in the coroutine that the thread runs, at its next await; False: raise it where the thread is."""

    def __call__(self, seconds: float, *, in_its_thread: bool) -> bool: ...


takers: dict[int, TakesSoftLimit] = {}  # by thread, while it runs a coroutine


class Alarm:
    """Soft limits by SIGALRM, in the main thread only. Hard ones are for whoever can kill this process."""

    def __init__(self, soft_error: SoftError) -> None:
        self._soft_error = soft_error
        self._seconds = 0.0
        self._armed = False
        signal.signal(signal.SIGALRM, self._ring)

    def __call__(self, soft: float | None, _hard: float | None) -> Alarm:
        self._seconds = soft or 0.0
        return self

    def __enter__(self) -> None:
        if self._seconds > 0:
            self._armed = True
            signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(self, *_: object) -> None:
        self._armed = False
        signal.setitimer(signal.ITIMER_REAL, 0)

    def _ring(self, _signum: int, _frame: FrameType | None) -> None:
        # It may ring in the very moment in which the task ends: then nobody is to be interrupted.
        if self._armed:
            self._armed = False
            take = takers.get(_thread.get_ident())
            if take is not None and take(self._seconds, in_its_thread=True):
                return
            raise self._soft_error(self._seconds)
