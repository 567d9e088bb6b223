"""The signals that a worker is told to end by: heard by the watchdog, whatever its tasks do to them.

A task runs in the main thread in solo and green pools, where it may ignore SIGTERM for a while and forget about it,
or run an event loop that takes the wake-up descriptor away when it closes. The worker would hear no drain any more.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import signal
from collections.abc import Sequence
from types import FrameType

_DEAF = (signal.SIG_IGN, signal.SIG_DFL, None)  # None: somebody's in C


class HeardSignals:
    """For the main thread. A signal only puts its number into a pipe, which the interpreter does by itself."""

    def __init__(self, descriptor: int, signums: Sequence[int]) -> None:
        """`descriptor`: where the numbers are written."""
        self._descriptor = descriptor
        self._signums = signums

    def hear(self) -> None:
        # In this order: a signal in between must not be lost to a handler that does nothing.
        signal.set_wakeup_fd(self._descriptor, warn_on_full_buffer=False)
        for signum in self._signums:
            signal.signal(signum, _nothing)

    def hear_again(self) -> list[str]:
        """What a task has made unheard, which is heard again now. Its handlers stay: we hear beside them."""
        lost = []
        # Not by `signal`, which makes an enum of each answer: ten times as slow.
        if _signal.set_wakeup_fd(self._descriptor, warn_on_full_buffer=False) != self._descriptor:
            lost.append("the wake-up descriptor")
        for signum in self._signums:
            if _signal.getsignal(signum) in _DEAF:
                signal.signal(signum, _nothing)
                lost.append(signal.Signals(signum).name)
        return lost


def _nothing(_signum: int, _frame: FrameType | None) -> None:
    """In place of the default action, which would end the process here and now."""
