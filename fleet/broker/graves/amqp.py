"""Dead-letter queues on RabbitMQ, which has no way to look at a message without taking it for a moment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from amqp.exceptions import NotFound

from fleet.broker.delivery import Delivery, Posting
from fleet.broker.rabbit.connection import AmqpConnection
from fleet.broker.rabbit.publisher import AmqpPublisher
from fleet.broker.rabbit.queues import declare
from fleet.spec import BrokerSpec, QueueSpec


class AmqpGraves:
    """See Graves. Each look has a channel of its own: closing it puts everything back in its place."""

    def __init__(self, broker: BrokerSpec) -> None:
        # While somebody reads a table nobody serves this connection.
        self._connection = AmqpConnection(broker, name=f"fleet dead, pid {os.getpid()}", beats=False)
        self._publisher: AmqpPublisher | None = None
        with self._connection.guard():
            self._channel = self._connection.amqp.channel()

    def count(self, queue: str) -> int:
        with self._connection.guard():
            try:
                with self._connection.channel() as channel:
                    return int(channel.queue_declare(queue, passive=True).message_count)
            except NotFound:
                return 0

    def look(self, queue: str, limit: int) -> list[Delivery]:
        wanted = min(limit, self.count(queue))
        with self._connection.guard(), self._connection.channel() as channel:
            return _get(channel, queue, wanted)

    def take(self, queue: str, limit: int) -> list[Delivery]:
        wanted = min(limit, self.count(queue))
        with self._connection.guard():
            return _get(self._channel, queue, wanted)

    def move(self, deliveries: Sequence[Delivery], postings: Sequence[Posting], queue: QueueSpec) -> int:
        declare(self._connection, queue)
        self._publisher = self._publisher or AmqpPublisher(self._connection)
        self._publisher.publish(postings)
        return self.drop(deliveries)

    def drop(self, deliveries: Sequence[Delivery]) -> int:
        with self._connection.guard():
            for delivery in deliveries:
                self._channel.basic_ack(delivery.tag)
        return len(deliveries)

    def put_back(self, deliveries: Sequence[Delivery]) -> None:
        with self._connection.guard():
            for delivery in reversed(deliveries):  # each to the head of its queue: the order stays
                self._channel.basic_reject(delivery.tag, requeue=True)

    def close(self) -> None:
        self._connection.close()


def _get(channel: Any, queue: str, wanted: int) -> list[Delivery]:
    found: list[Delivery] = []
    while len(found) < wanted and (message := channel.basic_get(queue)) is not None:
        found.append(_to_delivery(queue, message))
    return found


def _to_delivery(queue: str, message: Any) -> Delivery:
    properties = dict(message.properties)
    return Delivery(
        tag=message.delivery_tag,
        queue=queue,
        body=message.body.encode() if isinstance(message.body, str) else bytes(message.body),
        headers=properties.pop("application_headers", None) or {},
        properties=properties,
        content_type=properties.pop("content_type", ""),
        content_encoding=properties.pop("content_encoding", ""),
    )
