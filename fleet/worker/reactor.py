"""The reactor of the loop: what it waits for besides the broker, wake-ups, files of a pool, moments in time.

Its file descriptor is handed to `Link.wait`. Only `wake` may be called from another thread.
"""

from __future__ import annotations

import contextlib
import heapq
import os
from collections.abc import Callable
from itertools import count
from typing import Any


class Reactor:
    """A self-pipe; an epoll around it as soon as a pool watches files of its own."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)
        os.set_blocking(self._write, False)
        self._awake = False
        self.waiting = False  # set by the loop around its wait
        self._selector: Any = None
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def fileno(self) -> int:
        """Readable when there is something to `dispatch`."""
        return self._read if self._selector is None else self._selector.fileno()

    def wake(self) -> None:
        """End the wait of the loop's thread, if it waits.

        Append first, then wake; the loop sets `waiting` first, then looks at what was appended: one of the
        two sees the other.
        """
        if self.waiting and not self._awake:
            self._awake = True
            os.write(self._write, b"\0")

    def watch(self, fd: int, callback: Callable[[], None], *, writable: bool = False) -> None:
        """Call back whenever `fd` is readable (with `writable`: or writable), until `unwatch`."""
        import selectors  # not at the top: green pools never come here, and must not load it unpatched

        if self._selector is None:
            self._selector = selectors.DefaultSelector()
            self._selector.register(self._read, selectors.EVENT_READ, self._drain_pipe)
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writable else 0)
        if fd in self._selector.get_map():
            self._selector.modify(fd, events, callback)
        else:
            self._selector.register(fd, events, callback)

    def unwatch(self, fd: int) -> None:
        self._selector.unregister(fd)

    def call_at(self, when: float, callback: Callable[[], None]) -> None:
        """Call back at `when` (monotonic seconds) or soon after."""
        heapq.heappush(self._timers, (when, next(self._order), callback))

    def timeout(self, now: float, most: float) -> float:
        """Seconds to wait at most: until the next timer, or `most`."""
        return max(0.0, min(most, self._timers[0][0] - now)) if self._timers else most

    def dispatch(self, now: float) -> None:
        """Call back for everything that is due or readable."""
        if self._selector is None:
            self._drain_pipe()
        else:
            for key, _ in self._selector.select(0):
                # A callback before this one may have unwatched the file, and its number may be in use again.
                if self._selector.get_map().get(key.fd) is key:
                    key.data()
        while self._timers and self._timers[0][0] <= now:
            heapq.heappop(self._timers)[2]()

    def _drain_pipe(self) -> None:
        # Read, then clear, and the loop looks at its queues after that: a wake-up in between is never lost.
        with contextlib.suppress(BlockingIOError):
            os.read(self._read, 4096)
        self._awake = False
