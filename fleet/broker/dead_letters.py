"""The dead-letter role: a broker's dead-letter queues from outside a worker, for `fleet dead`."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Protocol

from fleet.broker.delivery import Delivery, Posting
from fleet.spec import QueueSpec

MOST_BYTES_AT_ONCE = 64 << 20  # of bodies that are taken together, more or less
FIRST_STEP = 20  # messages: how large they are is known when they are here


def next_step(seen: Sequence[int], most: int) -> int:
    """How many to fetch together, `most` at most, after bodies of these sizes: about MOST_BYTES_AT_ONCE of them."""
    return max(1, min(most, MOST_BYTES_AT_ONCE // max([1, *seen])))


class DeadLetters(Protocol):
    """One connection. Raises BrokerUnavailable; what was taken and not settled goes back by `close`."""

    def count(self, queue: str) -> int:
        """Messages that wait in it; 0 when there is no such queue."""

    def look(self, queue: str, limit: int) -> list[Delivery]:
        """The oldest, left where they are; their tags settle nothing."""

    def scan(self, queue: str) -> Generator[Delivery, None, None]:
        """All of them as `look` gives them, fetched as they are wanted; close it before anything else is asked."""

    def take(self, queue: str, limit: int) -> list[Delivery]:
        """The oldest that are not taken yet; nobody else sees them until they are settled or put back.

        Fewer where bodies are large, but one at least if there is one.
        """

    def move(self, deliveries: Sequence[Delivery], postings: Sequence[Posting], queue: QueueSpec) -> int:
        """Publish each posting (all to `queue`, made if need be), confirmed, then settle its delivery.

        Killed in between, a message may be in both places, never in none. How many were moved.
        """

    def drop(self, deliveries: Sequence[Delivery]) -> int:
        """Delete them for ever; how many were."""

    def put_back(self, deliveries: Sequence[Delivery]) -> None:
        """As if they had never been taken."""

    def close(self) -> None:
        """Never raises."""
