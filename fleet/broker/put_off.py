"""Deliveries that this worker has put off, kept to be looked at where the broker can't look into its delays.

Only what this worker itself has sent on its way; when it ends, nobody can tell any more. So it is under Celery, whose
workers tell of what they hold.
"""

from __future__ import annotations

from fleet.broker.delivery import Delivery

MOST = 1000
MOST_BYTES = 8 * 1024 * 1024


class PutOff:
    """For Celery's `inspect scheduled`. Times are those of the wall clock; what finds no room is not kept."""

    def __init__(self) -> None:
        self._waiting: dict[object, tuple[float, Delivery]] = {}  # by message id
        self._bytes = 0

    def add(self, delivery: Delivery, due: float, now: float) -> None:
        """Once more for one that comes back before its time, for a longer delay than the broker has."""
        key = delivery.headers.get("id") or id(delivery)
        self._forget([key])
        if len(self._waiting) >= MOST or self._bytes + len(delivery.body) > MOST_BYTES:
            self._forget([each for each, (until, _) in self._waiting.items() if until <= now])
        if len(self._waiting) < MOST and self._bytes + len(delivery.body) <= MOST_BYTES:
            self._waiting[key] = due, delivery
            self._bytes += len(delivery.body)

    def look(self, limit: int, now: float) -> list[Delivery]:
        """The deliveries whose time has not come, the next one first; never to be settled."""
        self._forget([each for each, (until, _) in self._waiting.items() if until <= now])
        ordered = sorted(self._waiting.values(), key=lambda each: each[0])
        return [delivery for _, delivery in ordered[:limit]]

    def _forget(self, keys: list[object]) -> None:
        for key in keys:
            if (found := self._waiting.pop(key, None)) is not None:
                self._bytes -= len(found[1].body)
