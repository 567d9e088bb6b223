"""The wake-up of supervisord's main loop: by a signal or a deadline, and no longer by a one-second tick.

Stock supervisord learns of a dead child when its poll of one second ends (SIGCHLD only appends to a list,
and PEP 475 resumes the poll). Here every signal writes a byte into a socket that the loop watches, and the
poll ends at the next deadline that any program has.
"""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable

from supervisor.medusa import asyncore_25 as asyncore
from supervisor.poller import Poller

IDLE_SECONDS = 30.0
"""Longest sleep. Nothing relies on it: it bounds the harm of a wake-up that a bug may lose."""


class DeadlinePoller(Poller):  # type: ignore[misc]
    """Supervisord's poller, asleep no longer than until `next_deadline()` (monotonic seconds)."""

    next_deadline: Callable[[], float] | None = None

    def poll(self, timeout: float) -> tuple[list[int], list[int]]:
        if self.next_deadline is None:
            return super().poll(timeout)  # type: ignore[no-any-return]
        pause = min(IDLE_SECONDS, max(0.0, self.next_deadline() - time.monotonic()))
        return super().poll(pause)  # type: ignore[no-any-return]


class SignalWaker:
    """An entry of the asyncore map that is readable after any signal that Python handles."""

    def __init__(self) -> None:
        self._reader, self._writer = socket.socketpair()
        self._reader.setblocking(False)
        self._writer.setblocking(False)

    def install(self) -> None:
        # A full buffer is no loss: the loop is awake then anyhow.
        signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        asyncore.socket_map[self._reader.fileno()] = self

    def remove(self) -> None:
        signal.set_wakeup_fd(-1)
        asyncore.socket_map.pop(self._reader.fileno(), None)
        self._reader.close()
        self._writer.close()

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def handle_read_event(self) -> None:
        # Only emptied here. Reaping is left to its place in the main loop, after all reads of this pass:
        # it closes descriptors, and a number that is used again within the pass would be read by the wrong
        # one.
        try:
            while len(self._reader.recv(4096)) == 4096:
                pass
        except BlockingIOError:
            pass

    def handle_write_event(self) -> None:
        raise NotImplementedError

    def handle_error(self) -> None:
        """Stay: without this entry the loop would be deaf."""
