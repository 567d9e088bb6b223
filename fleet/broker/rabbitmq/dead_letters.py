"""Dead-letter queues on RabbitMQ, which has no way to look at a message without taking it for a moment."""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import closing, suppress
from itertools import islice
from typing import Any

from amqp.exceptions import NotFound

from fleet.broker.dead_letters import FIRST_STEP, MOST_BYTES_AT_ONCE, next_step
from fleet.broker.delivery import Delivery, Posting, Refused
from fleet.broker.rabbitmq.confirmed_publisher import ConfirmedPublisher
from fleet.broker.rabbitmq.connection import AmqpConnection
from fleet.broker.rabbitmq.inbound import with_text_names
from fleet.broker.rabbitmq.queues import declare
from fleet.clock import time
from fleet.spec import BrokerSpec, QueueSpec

_SCANNED_AT_ONCE = 500
_SILENCE_SECONDS = 0.5
_SLOW_SECONDS = 30.0  # a broker that has messages and sends none for so long


class RabbitDeadLetters:
    """See DeadLetters. Each look has a channel of its own: closing it puts everything back in its place."""

    def __init__(self, broker: BrokerSpec) -> None:
        # While somebody reads a table nobody serves this connection.
        self._connection = AmqpConnection(broker, name=f"fleet dead, pid {os.getpid()}", beats=False)
        self._publisher: ConfirmedPublisher | None = None
        with self._connection.guard():
            self._channel = self._connection.amqp.channel()
        self._taken = 0  # and not settled yet

    def count(self, queue: str) -> int:
        with self._connection.guard():
            try:
                with self._connection.channel() as channel:
                    return int(channel.queue_declare(queue, passive=True).message_count)
            except NotFound:
                return 0

    def look(self, queue: str, limit: int) -> list[Delivery]:
        with closing(self.scan(queue)) as deliveries:
            return list(islice(deliveries, limit))

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
        until = time.monotonic() + _SLOW_SECONDS
        while len(found) < wanted:
            before = len(found)
            with suppress(TimeoutError):
                self._connection.amqp.drain_events(timeout=_SILENCE_SECONDS)
            if len(found) > before:
                until = time.monotonic() + _SLOW_SECONDS
            elif time.monotonic() > until or not channel.queue_declare(queue, passive=True).message_count:
                break  # somebody else has taken the rest
        channel.basic_cancel(tag)
        return found

    def take(self, queue: str, limit: int) -> list[Delivery]:
        wanted, step = min(limit, self.count(queue)), FIRST_STEP
        found: list[Delivery] = []
        size = 0
        with self._connection.guard():
            while len(found) < wanted and size < MOST_BYTES_AT_ONCE:
                messages = self._consumed(self._channel, queue, min(step, wanted - len(found)))
                if not messages:
                    break
                found += [_to_delivery(queue, message) for message in messages]
                sizes = [len(each.body) for each in found[-len(messages) :]]
                size += sum(sizes)
                step = next_step(sizes, _SCANNED_AT_ONCE)
        self._taken += len(found)
        return found

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
        self._taken -= len(deliveries)
        return len(deliveries)

    def put_back(self, deliveries: Sequence[Delivery]) -> None:
        with self._connection.guard():
            if deliveries and len(deliveries) == self._taken:
                # A classic queue takes back 200,000 that are rejected or recovered one by one for minutes, on its own
                # time; what a channel leaves behind it takes back in one go.
                self._channel.close()
                self._channel = self._connection.amqp.channel()
            else:
                for delivery in reversed(deliveries):  # each to the head of its queue: the order stays
                    self._channel.basic_reject(delivery.tag, requeue=True)
        self._taken -= len(deliveries)

    def close(self) -> None:
        self._connection.close()


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
