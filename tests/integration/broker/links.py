"""For tests of Link and Producer: a broker with a queue of the test's own, and short words for what is done to it."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet.broker.consumer import Subscription
from fleet.broker.delivery import Posting
from fleet.broker.link import Delivery, Link
from fleet.broker.producer import Producer
from fleet.protocol import Call, decode, encode
from fleet.spec import BrokerSpec, QueueSpec
from tests.conftest import Broker
from tests.support import unique


@dataclass
class Desk:
    """One queue with its dead-letter queue on one broker; opens links and publishes."""

    broker: Broker
    options: dict[str, Any] = field(default_factory=dict)
    _links: list[Link] = field(default_factory=list)
    _producers: list[Producer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.queue = QueueSpec(self.broker.queue("q"), dead_letter=self.broker.queue("q.dead"))
        self.dead = QueueSpec(self.broker.queue("q.dead"))
        self.spec = BrokerSpec(self.broker.url, **self.options)
        # What `wait` watches besides the broker; tests write to it to wake it.
        self.wake_read, self.wake_write = os.pipe()

    def link(
        self,
        *queues: QueueSpec,
        prefetch: int = 10,
        identity: str = "",
        connect: bool = True,
        queue_order: str = "weighted",
    ) -> Link:
        # Owners share one Redis with those of other tests: with an equal name they would free each other's claims.
        owner = identity or unique("worker")
        link = Link(
            Subscription(
                self.spec, queues or (self.queue,), prefetch=prefetch, identity=owner, queue_order=queue_order
            )
        )
        self._links.append(link)
        if connect:
            link.connect()
        return link

    def send(
        self, *bodies: object, delay: float = 0.0, queue: QueueSpec | None = None, **headers: Any
    ) -> None:
        """One message per body, which becomes its first argument and its id."""
        target = queue or self.queue
        now = time.time()
        postings = []
        for body in bodies:
            call = Call(str(body), "t", (body,), eta=now + delay if delay else None)
            message = encode(call)
            message = message._replace(headers={**message.headers, **headers})
            key = (target.routing_key or target.name) if target.exchange else ""
            postings.append(Posting(target.name, message, delay, target.exchange, key))
        self.producer().publish(postings, target)

    def producer(self) -> Producer:
        if not self._producers:
            self._producers.append(Producer(self.spec))
        return self._producers[0]

    def receive(self, link: Link, count: int = 1, within: float = 10.0) -> list[Delivery]:
        """Exactly `count` deliveries, or an AssertionError."""
        found: list[Delivery] = []
        deadline = time.monotonic() + within
        while len(found) < count and (left := deadline - time.monotonic()) > 0:
            found += link.wait(left, self.wake_read)
        assert len(found) == count, f"{len(found)} of {count} deliveries within {within:g} s"
        return found

    def nothing(self, link: Link, seconds: float = 0.3) -> bool:
        """Whether nothing comes for that long."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            if link.wait(left, self.wake_read):
                return False
        return True

    def close(self) -> None:
        for each in (*self._links, *self._producers):
            each.close()
        os.close(self.wake_read)
        os.close(self.wake_write)


def call(delivery: Delivery) -> Call:
    return decode(delivery, accept=("json",))


def first_arguments(deliveries: Sequence[Delivery]) -> list[Any]:
    return [call(delivery).args[0] for delivery in deliveries]
