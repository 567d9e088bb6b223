"""Dead-letter queues from outside a worker, for `fleet dead`: look, take, bring back, drop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from fleet.broker.delivery import BrokerUnavailable, Delivery, Posting
from fleet.broker.stores import is_leased, is_there, open_store
from fleet.broker.urls import mask_url, scheme
from fleet.spec import BrokerSpec, QueueSpec


class Graves(Protocol):
    """One connection. Raises BrokerUnavailable; what was taken and not settled goes back by `close`."""

    def count(self, queue: str) -> int:
        """Messages that wait in it; 0 when there is no such queue."""

    def look(self, queue: str, limit: int) -> list[Delivery]:
        """The oldest, left where they are; their tags settle nothing."""

    def take(self, queue: str, limit: int) -> list[Delivery]:
        """The oldest that are not taken yet; nobody else sees them until they are settled or put back."""

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


def open_graves(broker: BrokerSpec) -> Graves | None:
    """Connected; None when nobody has ever used this broker. Raises BrokerUnavailable."""
    if is_leased(broker.url):
        from fleet.broker.graves.leased import LeasedGraves

        return LeasedGraves(lambda owner: open_store(broker, owner=owner)) if is_there(broker) else None
    if scheme(broker.url) == "amqp":
        from fleet.broker.graves.amqp import AmqpGraves

        return AmqpGraves(broker)
    raise BrokerUnavailable(
        f"{mask_url(broker.url)}: fleet can't look into dead-letter queues of {scheme(broker.url)}:// brokers"
    )
