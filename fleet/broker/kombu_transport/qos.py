"""The unacknowledged messages of a kombu channel; acks go to the store at once, from whatever thread."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kombu.transport import virtual

from fleet.broker.delivery import BrokerUnavailable


def to_text(tag: Sequence[Any]) -> str:
    """A store's tag as kombu's delivery tags are: text."""
    return json.dumps(tag)


def to_tags(delivery_tags: Sequence[Any]) -> list[tuple[Any, ...]]:
    """The store's tags; without those that no store gave."""
    tags = []
    for text in delivery_tags:
        try:
            tags.append(tuple(json.loads(text)))
        except (TypeError, ValueError):
            continue
    return tags


class QoS(virtual.QoS):  # type: ignore[misc]
    """Settles in the store instead of keeping and restoring copies."""

    restore_at_shutdown = False

    def __init__(self, channel: Any, prefetch_count: int = 0) -> None:
        super().__init__(channel, prefetch_count)
        # There is nothing to do at exit; and being remembered for it would keep the connection for ever.
        self._on_collect.cancel()

    def ack(self, delivery_tag: Any) -> None:
        self.ack_all([delivery_tag])

    def ack_all(self, delivery_tags: Sequence[Any]) -> None:
        if held := self._held(delivery_tags):
            self.channel.store.ack(to_tags(held))
            self._settled(held)

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        if not requeue:
            self.ack_all([delivery_tag])
        elif held := self._held([delivery_tag]):
            # Last, as kombu's own: several come one by one, and are to keep their order.
            self.channel.store.release(to_tags(held), last=True)
            self._settled(held)

    def _held(self, delivery_tags: Sequence[Any]) -> list[Any]:
        """The deliveries of `delivery_tags` that are to be settled, the first time this is asked for."""
        if self.channel.closed:
            raise BrokerUnavailable("the channel is closed, and its messages are given to others")
        return [tag for tag in delivery_tags if tag in self._delivered and tag not in self._dirty]

    def _settled(self, delivery_tags: Sequence[Any]) -> None:
        for tag in delivery_tags:
            self._quick_ack(tag)
        self.channel.room_again()

    def restore_unacked(self) -> list[Any]:
        self._flush()
        self.channel.store.release(to_tags(list(self._delivered)))
        self._delivered.clear()
        return []

    def room(self) -> int:
        """How many may be reserved now; one at a time when there is no limit."""
        if not self.can_consume():  # Celery replaces it by one that says more than the count
            return 0
        limit = self.can_consume_max_estimate()
        return 1 if limit is None else limit
