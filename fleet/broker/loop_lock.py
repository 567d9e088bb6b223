"""Mutual exclusion of the loop and a real thread beside it, also under gevent and eventlet.

Not threading.Lock: patching makes that one whose waiters live in the hub of their own thread, where a release
in another thread does not reach them. (eventlet's then waits for ever; py-amqp has such a lock in its writer.)
"""

from __future__ import annotations

from collections import deque

from fleet.clock import time

_LOOK_SECONDS = 0.001  # what is done in a turn takes less, as a rule


class LoopLock:
    """Taken by `claim` or `wait`, given up by `release`."""

    def __init__(self) -> None:
        self._token = deque([True])  # pop and append are atomic, whoever else is patched

    def claim(self) -> bool:
        """Whether it was free, and is taken now."""
        try:
            return self._token.pop()
        except IndexError:
            return False

    def wait(self) -> None:
        """For the loop, whose other green threads run meanwhile."""
        while not self.claim():
            time.sleep(_LOOK_SECONDS)

    def release(self) -> None:
        self._token.append(True)
