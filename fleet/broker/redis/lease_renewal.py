"""The renewal of a lease on Redis: when one is due, the command for it, and how long an answer may take beside it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from fleet.broker.redis.connect import ANSWER_SECONDS
from fleet.clock import time

# Of the lease. Who looks for messages pushes it out by that, and needs no renewal beside it.
_FRESH = 1 / 6


class OwnerLease:
    """Of the owner with that name; the server knows its end."""

    def __init__(self, owner: str, seconds: float) -> None:
        self._owner = owner
        self.milliseconds = int(seconds * 1000)
        self._fresh_until = 0.0  # monotonic

    def was_pushed_out(self) -> None:
        self._fresh_until = time.monotonic() + self.milliseconds / 1000 * _FRESH

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() < self._fresh_until

    def renewal(self, script: str, queues: Iterable[str]) -> tuple[Any, ...]:
        """The command, with the source of the script: whoever renews may meet a server that has forgotten it."""
        return ("EVAL", script, 0, self._owner, self.milliseconds, *queues)


def answer_seconds(lease_seconds: float) -> float:
    """Who waits on a connection that has gone silent finds out before others take its claims.

    But a server may be slow for a moment, with large messages above all: below five seconds a lease runs out first.
    """
    return min(ANSWER_SECONDS, max(5.0, lease_seconds / 3))
