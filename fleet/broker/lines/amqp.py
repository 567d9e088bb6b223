"""The line to RabbitMQ: consumers with acknowledgements, on one connection."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import Any

from fleet.broker.delivery import BrokerUnavailable, Delivery, Posting
from fleet.broker.rabbit.connection import AmqpConnection
from fleet.broker.rabbit.consumers import Consumers
from fleet.broker.rabbit.inbound import Arrived
from fleet.broker.rabbit.publisher import AmqpPublisher
from fleet.broker.rabbit.queues import declare, make_queue
from fleet.broker.reposting import CRASHES_HEADER, deferred, given_back
from fleet.broker.waiting import wait_readable
from fleet.spec import BrokerSpec, QueueSpec

_NO_HEARTBEAT_SECONDS = 30.0  # to look at the connection all the same


class AmqpLine:
    """See Line. Deliveries live as long as their connection: the broker gives lost ones out again."""

    def __init__(
        self, broker: BrokerSpec, queues: Sequence[QueueSpec], *, prefetch: int, identity: str
    ) -> None:
        self._broker = broker
        self._queues = queues
        self._prefetch = prefetch
        self._least_prefetch = prefetch
        self._identity = identity
        self._opened: AmqpConnection | None = None
        self._channel: Any = None
        self._consumers: Consumers | None = None
        self._publisher: AmqpPublisher | None = None
        self._made_queues = {queue.name for queue in queues}
        self._counting = {queue.name for queue in queues if _is_quorum(queue)}
        self._paused = False
        self._skipped: frozenset[str] = frozenset()
        self._inbox: list[Delivery] = []
        self._held: dict[int, Delivery] = {}  # by tag, which the broker counts up

    @property
    def _connection(self) -> AmqpConnection:
        if self._opened is None:
            raise BrokerUnavailable("not connected")
        return self._opened

    def connect(self) -> bool:
        self.close()
        try:
            self._connect()
        except BaseException:
            # Half made it may still live, and what it has brought has tags that older deliveries have, too.
            self.close()
            raise
        return False

    def _connect(self) -> None:
        connection = AmqpConnection(self._broker, name=self._identity)
        self._opened = connection
        self._made_queues = {queue.name for queue in self._queues}
        for queue in self._queues:
            declare(connection, queue)
        self._publisher = AmqpPublisher(connection)
        with connection.guard():
            self._channel = connection.amqp.channel()
            connection.deliver(self._channel, self._on_arrival)
            self._consumers = Consumers(
                self._channel,
                [queue.name for queue in self._queues],
                base=self._least_prefetch,
                shared=self._shared_limit(),
            )
            self._consumers.hold(self._prefetch)
            self._consumers.skip(self._skipped)
        if not self._paused:
            self.resume()

    def _shared_limit(self) -> bool:
        """Whether the prefetch is one limit for all queues: classic queues on RabbitMQ before 4.0 only.

        Elsewhere it holds for each queue, and a worker of several queues may hold that much of each.
        """
        version = str(self._connection.amqp.server_properties.get("version", ""))
        return version.startswith("3.") and not self._counting and len(self._queues) > 1

    def wait(self, timeout: float, wake_fd: int) -> list[Delivery]:
        connection = self._connection
        deadline = time.monotonic() + timeout
        while True:
            while connection.read(0) and len(self._inbox) < self._prefetch:
                pass
            connection.beat()
            self._mend_consumers()
            if self._inbox:
                arrived, self._inbox = self._inbox, []
                if first_time := self._recount(arrived):
                    return first_time
                continue  # the next may have come while that was being confirmed
            left = deadline - time.monotonic()
            if left <= 0:
                return []
            pause = min(left, (self._broker.heartbeat_seconds or _NO_HEARTBEAT_SECONDS) / 3)
            with connection.guard():
                ready = wait_readable([connection.amqp.sock.fileno(), wake_fd], pause)
            if wake_fd in ready and len(ready) == 1:
                return []

    def _on_arrival(self, arrived: Arrived) -> None:
        properties = arrived.properties
        headers = properties.pop("application_headers", None) or {}
        delivery = Delivery(
            tag=arrived.tag,
            queue=Consumers.queue_of(arrived.consumer),
            body=arrived.body,
            headers=headers,
            properties=properties,
            content_type=properties.pop("content_type", ""),
            content_encoding=properties.pop("content_encoding", ""),
            redelivered=arrived.redelivered or bool(headers.get(CRASHES_HEADER)),
            attempt=_attempt(headers, arrived.redelivered),
        )
        self._held[delivery.tag] = delivery
        self._inbox.append(delivery)

    def pause(self) -> None:
        self._paused = True
        if self._opened is not None and self._consumers is not None:
            with self._opened.guard():
                self._consumers.stop()

    def resume(self) -> None:
        self._paused = False
        with self._connection.guard():
            assert self._consumers is not None  # made with the connection
            self._consumers.start()

    def skip(self, queues: Collection[str]) -> None:
        self._skipped = frozenset(queues)
        if self._opened is not None and self._consumers is not None:
            with self._opened.guard():
                self._consumers.skip(self._skipped)

    def set_prefetch(self, prefetch: int) -> None:
        self._prefetch = prefetch
        self._least_prefetch = min(self._least_prefetch, prefetch)
        if self._opened is not None and self._consumers is not None:
            with self._opened.guard():
                self._consumers.hold(prefetch)

    def _mend_consumers(self) -> None:
        """A queue was deleted while we consumed from it: make it again, as fleet.toml says, and go on."""
        assert self._consumers is not None  # made with the connection
        for name in self._consumers.take_cancelled():
            declare(self._connection, next(queue for queue in self._queues if queue.name == name))
            with self._connection.guard():
                self._consumers.consume_again(name)

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        connection = self._connection
        tags = {delivery.tag for delivery in deliveries if delivery.tag in self._held}
        with connection.guard():
            # All that is held up to here is settled: one frame does for it.
            done = 0
            for tag in self._held:
                if tag not in tags:
                    break
                done = tag
            if done:
                self._channel.basic_ack(done, multiple=True)
            for tag in sorted(tag for tag in tags if tag > done):
                self._channel.basic_ack(tag)
        self._forget(tags)

    def requeue(self, deliveries: Sequence[Delivery], *, counted: bool) -> None:
        own = [delivery for delivery in deliveries if delivery.tag in self._held]
        self._repost([each for each in own if self._miscounts(each, counted)], counted=counted)
        connection = self._connection
        tags = {delivery.tag for delivery in own if delivery.tag in self._held}
        with connection.guard():
            # Newest first: each goes back to the head of its queue, so that the order stays.
            for tag in sorted(tags, reverse=True):
                self._channel.basic_reject(tag, requeue=True)
        self._forget(tags)

    def _recount(self, arrived: list[Delivery]) -> list[Delivery]:
        """Those that have not come back to a classic queue, which marks what comes back but does not count.

        The others are published again with one more in their own count, and come then: else a message that
        kills its worker would be "the second time" for ever.
        """
        back = [each for each in arrived if each.attempt > 1 and "x-delivery-count" not in each.headers]
        self._repost(back, counted=False)
        return [each for each in arrived if each not in back]

    def _miscounts(self, delivery: Delivery, counted: bool) -> bool:
        """Whether the broker would count the delivery where it should not, or not where it should.

        A quorum queue counts whatever is given back. A classic one only marks it, which counts as one. What
        never ran may be given one too many in its life, for the sake of its place in the queue.
        """
        if delivery.queue in self._counting:
            return not counted
        return counted or bool(delivery.headers.get(CRASHES_HEADER))

    def _repost(self, deliveries: Sequence[Delivery], *, counted: bool) -> None:
        if deliveries and self._publisher is not None:
            self._publisher.publish([given_back(each, counted=counted) for each in deliveries])
            self.ack(deliveries)

    def replace(self, delivery: Delivery, posting: Posting) -> None:
        connection = self._connection
        if posting.queue not in self._made_queues:
            make_queue(connection, posting.queue)
            self._made_queues.add(posting.queue)
        assert self._publisher is not None  # made with the connection
        self._publisher.publish([posting])
        self.ack([delivery])

    def defer(self, delivery: Delivery, seconds: float) -> None:
        self.replace(delivery, deferred(delivery, seconds))

    def _forget(self, tags: set[int]) -> None:
        for tag in tags:
            del self._held[tag]

    def renew(self) -> None:
        self._connection.beat_now()

    def close(self) -> None:
        connection, self._opened = self._opened, None
        if connection is not None:
            connection.close()
        self._inbox.clear()
        self._held.clear()


def _is_quorum(queue: QueueSpec) -> bool:
    return queue.arguments.get("x-queue-type") == "quorum"


def _attempt(headers: dict[str, Any], redelivered: bool) -> int:
    """Quorum queues count; a classic queue only tells the first time from the others."""
    with suppress(TypeError, ValueError):
        return int(headers["x-delivery-count"]) + 1 if "x-delivery-count" in headers else 1 + redelivered
    return 1 + redelivered
