"""Dead-letter queues on RabbitMQ, which has no way to look at a message without taking it for a moment."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from math import inf
from typing import Any

from amqp.exceptions import NotFound

from fleet.broker.dead_letters import FIRST_STEP, MOST_BYTES_AT_ONCE, next_step
from fleet.broker.delivery import Delivery, Posting, Refused
from fleet.broker.rabbitmq.confirmed_publisher import ConfirmedPublisher
from fleet.broker.rabbitmq.connection import AmqpConnection
from fleet.broker.rabbitmq.inbound import with_text_names
from fleet.broker.rabbitmq.queues import declare
from fleet.spec import BrokerSpec, QueueSpec

_SCANNED_AT_ONCE = 500
_SILENCE_SECONDS = 0.5


class RabbitDeadLetters:
    """See DeadLetters. Each look has a channel of its own: closing it puts everything back in its place."""

    def __init__(self, broker: BrokerSpec) -> None:
        # While somebody reads a table nobody serves this connection.
        self._connection = AmqpConnection(broker, name=f"fleet dead, pid {os.getpid()}", beats=False)
        self._publisher: ConfirmedPublisher | None = None
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

    def scan(self, queue: str) -> Generator[Delivery, None, None]:
        left, step = self.count(queue), FIRST_STEP
        with self._connection.guard(), self._connection.channel() as channel:
            while left > 0 and (messages := self._consumed(channel, queue, min(left, step))):
                left -= len(messages)
                found = [_to_delivery(queue, message) for message in messages]
                step = next_step([len(each.body) for each in found], _SCANNED_AT_ONCE)
                yield from found

    def _consumed(self, channel: Any, queue: str, wanted: int) -> list[Any]:
        """Pushed by the broker: to ask for each would be a round trip each. Nothing is settled."""
        found: list[Any] = []
        channel.basic_qos(0, wanted, False)
        tag = channel.basic_consume(queue, callback=found.append)
        while len(found) < wanted:
            try:
                self._connection.amqp.drain_events(timeout=_SILENCE_SECONDS)
            except TimeoutError:
                break  # somebody else has taken the rest
        channel.basic_cancel(tag)
        return found

    def take(self, queue: str, limit: int) -> list[Delivery]:
        wanted = min(limit, self.count(queue))
        with self._connection.guard():
            return _get(self._channel, queue, wanted, some_will_do=True)

    def move(self, deliveries: Sequence[Delivery], postings: Sequence[Posting], queue: QueueSpec) -> int:
        declare(self._connection, queue)
        self._publisher = self._publisher or ConfirmedPublisher(self._connection)
        try:
            self._publisher.publish(postings)
        except Refused as error:  # those stay where they are
            refused = {id(posting) for posting in error.postings}
            pairs = zip(deliveries, postings, strict=True)
            self.drop([delivery for delivery, posting in pairs if id(posting) not in refused])
            raise
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


def _get(channel: Any, queue: str, wanted: int, *, some_will_do: bool = False) -> list[Delivery]:
    found: list[Delivery] = []
    room = MOST_BYTES_AT_ONCE if some_will_do else inf
    while len(found) < wanted and room > 0 and (message := channel.basic_get(queue)) is not None:
        found.append(_to_delivery(queue, message))
        room -= len(found[-1].body)
    return found


def _to_delivery(queue: str, message: Any) -> Delivery:
    properties = dict(message.properties)
    return Delivery(
        tag=message.delivery_tag,
        queue=queue,
        body=message.body.encode() if isinstance(message.body, str) else bytes(message.body),
        headers=with_text_names(properties.pop("application_headers", None) or {}),
        properties=properties,
        content_type=properties.pop("content_type", ""),
        content_encoding=properties.pop("content_encoding", ""),
    )
