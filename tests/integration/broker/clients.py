"""kombu clients of fleet's transports, for the tests of these."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import kombu
import pytest

from fleet.broker.kombu_transport.aliases import register
from tests.conftest import Broker
from tests.support import unique

register()

Client = Callable[..., kombu.Connection]


def clients(broker: Broker) -> Iterator[Client]:
    """Opens connections with fleet's transport; their keys have the broker's token in them."""
    url = broker.url.replace("redis://", "fleet-redis://")
    options = {"global_keyprefix": f"{broker.token}:"} if broker.name == "redis" else {}
    opened = []

    def connection(lease_seconds: float = 30.0, **more: Any) -> kombu.Connection:
        all = {**options, "lease_seconds": lease_seconds, **more}
        opened.append(kombu.Connection(url, transport_options=all))
        return opened[-1]

    yield connection
    for each in opened:
        each.close()


class Inbox:
    """Consumes queues; keeps what comes, acknowledged unless told otherwise."""

    def __init__(self, connection: kombu.Connection, *queues: kombu.Queue, ack: bool = True, **options: Any):
        self.messages: list[kombu.Message] = []
        self.bodies: list[Any] = []
        self._connection, self._ack, self._no_ack = connection, ack, bool(options.get("no_ack"))
        prefetch = options.pop("prefetch", None)
        self.consumer = kombu.Consumer(
            connection.channel(),
            queues,
            callbacks=[self._take],
            accept=["json", "pickle", "text/plain"],
            **options,
        )
        if prefetch:
            self.consumer.qos(prefetch_count=prefetch)
        self.consumer.consume()

    def _take(self, body: Any, message: kombu.Message) -> None:
        self.bodies.append(body)
        self.messages.append(message)
        if self._ack and not self._no_ack:
            message.ack()

    def drain(self, count: int) -> list[Any]:
        """The bodies, once there are `count`."""

        deadline = time.monotonic() + 30
        while len(self.bodies) < count and time.monotonic() < deadline:
            with suppress(TimeoutError):
                self._connection.drain_events(timeout=0.2)
        assert len(self.bodies) >= count, self.bodies
        return self.bodies

    def stays_at(self, count: int) -> bool:
        with pytest.raises(TimeoutError):
            self._connection.drain_events(timeout=0.2)
        return len(self.bodies) == count


def queue(
    name: str = "", exchange: kombu.Exchange | None = None, key: str = "", **options: Any
) -> kombu.Queue:
    name = name or unique("q")
    return kombu.Queue(name, exchange or kombu.Exchange(name, type="direct"), key or name, **options)


def put(connection: kombu.Connection, target: kombu.Queue, body: object, **options: Any) -> None:
    options = {"exchange": target.exchange, "routing_key": target.routing_key, **options}
    kombu.Producer(connection.default_channel).publish(body, declare=[target], **options)
