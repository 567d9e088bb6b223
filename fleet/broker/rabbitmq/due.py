"""The messages that have come due for a queue that may be full: published into it, confirmed, as often as it takes.

RabbitMQ itself would try again every three minutes only, and hold up all that waits behind it (decisions/0054). So
what was delayed for such a queue comes due in one beside it that never refuses, and the workers that consume the
queue empty that one too.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from amqp import spec

from fleet.broker.delivery import Delivery, Posting, Refused
from fleet.broker.rabbitmq.connection import AmqpConnection
from fleet.broker.rabbitmq.inbound import Arrived
from fleet.broker.rabbitmq.outgoing import Outgoing
from fleet.broker.reposting import deferred
from fleet.broker.topology import due_queue
from fleet.clock import time

_HELD = 50  # at once, of all queues
_FIRST_SECONDS, _MOST_SECONDS = 0.5, 15.0


class Due:
    """Of one connection that consumes; for its thread. Raises BrokerUnavailable, which ends that connection."""

    def __init__(self, connection: AmqpConnection, outgoing: Outgoing) -> None:
        self._connection = connection
        self._outgoing = outgoing
        self._channel: Any = None
        self.targets: dict[str, str] = {}  # by the name of the queue beside it
        self._arrived: list[tuple[int, Posting]] = []  # by tag
        self._pause = 0.0
        self._try_at = 0.0  # monotonic
        self._is_closed = False
        self.refusal: Refused | None = None

    def consume(self, targets: Collection[str]) -> None:
        """Also what comes due for these."""
        connection = self._connection
        if not targets:
            return
        with connection.guard():
            if self._channel is None:
                self._channel = connection.amqp.channel()
                connection.deliver(self._channel, self._on_arrival)
                self._channel.basic_qos(0, _HELD, False)
                self._channel._callbacks[spec.Channel.Close] = self._on_closed
            for target in targets:
                name = due_queue(target)
                self.targets[name] = target
                self._channel.basic_consume(name, consumer_tag=name, on_cancel=self._on_cancel)

    def forward(self, now: float) -> None:
        """What has arrived, if it is time to; what is refused again waits longer."""
        if self._is_closed:
            self._is_closed, self._channel = False, None
            self._arrived.clear()
            self.consume(list(self.targets.values()))
        if not self._arrived or now < self._try_at:
            return
        refused: set[int] = set()
        try:
            self._outgoing.publish([posting for _, posting in self._arrived])
        except Refused as error:
            self.refusal = error
            refused = {id(posting) for posting in error.postings}
        done = [tag for tag, posting in self._arrived if id(posting) not in refused]
        with self._connection.guard():
            for tag in done:
                self._channel.basic_ack(tag)
        self._arrived = [each for each in self._arrived if id(each[1]) in refused]
        self._pause = (
            min(max(self._pause * 2, _FIRST_SECONDS), _MOST_SECONDS) if refused and not done else 0.0
        )
        self._try_at = time.monotonic() + (self._pause or (_FIRST_SECONDS if refused else 0.0))

    def next_in(self, now: float) -> float:
        """Seconds until there is something to do; infinite when nothing waits."""
        return max(0.0, self._try_at - now) if self._arrived else float("inf")

    def _on_closed(self, *_why: object) -> None:
        """Held longer than the broker's consumer_timeout: that is no reason to lose the connection."""
        self._channel.send_method(spec.Channel.CloseOk)
        self._is_closed = True

    def _on_cancel(self, _tag: str) -> None:
        """By the broker: somebody has deleted that queue. The next connection looks whether it is there again."""

    def _on_arrival(self, arrived: Arrived) -> None:
        properties = arrived.properties
        delivery = Delivery(
            tag=arrived.tag,
            queue=self.targets[arrived.consumer],
            body=arrived.body,
            headers=properties.pop("application_headers", None) or {},
            properties=properties,
            content_type=properties.pop("content_type", ""),
            content_encoding=properties.pop("content_encoding", ""),
        )
        self._arrived.append((arrived.tag, deferred(delivery, 0.0)))
