"""A kombu transport on any LeasedStore, so that kombu and Celery can publish to it and consume from it.

Differences from kombu's own virtual transports: bindings are shared by all processes, a batch is reserved
in one call (up to the prefetch count), acks and leases are the store's, fanout queues are kept like any other,
errors are BrokerUnavailable, and queues don't expire (`expires` is ignored). fleet's workers don't come this
way: they use the store directly.
"""

from __future__ import annotations

import socket
import threading
import time
from contextlib import suppress
from queue import Empty
from typing import Any

from kombu.transport import virtual

from fleet.broker.delivery import BrokerUnavailable, Posting
from fleet.broker.topology import binding_pattern
from fleet.broker.transports.leased import Claim, LeasedStore
from fleet.broker.waiting import wait_readable
from fleet.protocol import Encoded

_LOOK_AGAIN_SECONDS = 1.0
_POLL_SECONDS = 0.05


class QoS(virtual.QoS):  # type: ignore[misc]
    """Settles in the store instead of keeping and restoring copies."""

    restore_at_shutdown = False

    def ack(self, delivery_tag: Any) -> None:
        self.channel.store.ack([delivery_tag])
        super().ack(delivery_tag)

    def reject(self, delivery_tag: Any, requeue: bool = False) -> None:
        if requeue:
            # Last, as kombu's own: several come one by one, and are to keep their order.
            self.channel.store.release([delivery_tag], last=True)
        else:
            self.channel.store.ack([delivery_tag])
        self._quick_ack(delivery_tag)

    def restore_unacked(self) -> list[Any]:
        self._flush()
        self.channel.store.release(list(self._delivered))
        self._delivered.clear()
        return []

    def room(self) -> int:
        """How many may be reserved now; one at a time when there is no limit."""
        limit = self.can_consume_max_estimate()
        return 1 if limit is None else limit


class Channel(virtual.Channel):  # type: ignore[misc]
    QoS = QoS
    body_encoding = None  # the store takes bytes
    supports_fanout = True

    def __init__(self, connection: Any, **kwargs: Any) -> None:
        super().__init__(connection, **kwargs)
        self.store: LeasedStore = connection.store
        self._temporary: set[str] = set()

    def _put(self, queue: str, message: dict[str, Any], **_: Any) -> None:
        self.store.publish([Posting(queue, self._to_encoded(message))])

    def _put_fanout(self, exchange: str, message: dict[str, Any], routing_key: str, **_: Any) -> None:
        queues = {queue for _, _, queue in self.get_table(exchange)}
        self.store.publish([Posting(queue, self._to_encoded(message)) for queue in queues])

    def _get(self, queue: str, timeout: float | None = None) -> dict[str, Any]:
        claims = self.store.reserve([queue], 1)
        if not claims:
            raise Empty
        self.connection.keep_leases()
        return self._to_payload(claims[0])

    def deliver_ready(self) -> int:
        """Hand what is ready to the consumers; how many there were."""
        claims = self.store.reserve(self._active_queues, self.qos.room()) if self._active_queues else []
        for claim in claims:
            self.connection._deliver(self._to_payload(claim), claim.queue)
        return len(claims)

    def basic_consume(self, queue: str, no_ack: bool, callback: Any, *args: Any, **kwargs: Any) -> Any:
        def take(message: Any) -> Any:
            self.store.ack([message.delivery_tag])  # kombu keeps no record of it: nobody would
            return callback(message)

        return super().basic_consume(queue, no_ack, take if no_ack else callback, *args, **kwargs)

    def basic_get(self, queue: str, no_ack: bool = False, **kwargs: Any) -> Any:
        message = super().basic_get(queue, no_ack=no_ack, **kwargs)
        if message is not None and no_ack:
            self.store.ack([message.delivery_tag])
        return message

    def basic_ack(self, delivery_tag: Any, multiple: bool = False) -> None:
        tags = [delivery_tag]
        if multiple:
            delivered = list(self.qos._delivered)
            tags = delivered[: delivered.index(delivery_tag) + 1]
        for tag in tags:
            self.qos.ack(tag)

    def _new_queue(self, queue: str, auto_delete: bool = False, exclusive: bool = False, **_: Any) -> None:
        self.store.declare(queue)
        if auto_delete or exclusive:
            self._temporary.add(queue)

    def _has_queue(self, queue: str, **_: Any) -> bool:
        return queue in self.store.queues()

    def _size(self, queue: str) -> int:
        return self.store.size(queue)

    def _purge(self, queue: str) -> int:
        return self.store.purge(queue)

    def queue_delete(self, queue: str, if_unused: bool = False, if_empty: bool = False, **_: Any) -> None:
        if not (if_empty and self._size(queue)):
            self.store.delete(queue)
            self.state.queue_bindings_delete(queue)

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str | None, queue: str) -> None:
        # Not kombu's own pattern: in that, `lazy.#` does not match `lazy`, which in AMQP it does.
        ours = binding_pattern(self.typeof(exchange).type, routing_key)
        self.store.bind(queue, exchange, routing_key, ours)

    def queue_unbind(self, queue: str, exchange: str = "", routing_key: str = "", **kwargs: Any) -> None:
        super().queue_unbind(queue, exchange, routing_key, **kwargs)
        self.store.unbind(queue, exchange, routing_key)

    def get_table(self, exchange: str) -> list[tuple[str, str, str]]:
        return self.store.bindings(exchange)

    def _to_encoded(self, message: dict[str, Any]) -> Encoded:
        body, properties = message["body"], message["properties"]
        return Encoded(
            body=body.encode() if isinstance(body, str) else bytes(body or b""),
            headers=message.get("headers") or {},
            properties={**properties, "priority": self.fleets_priority(properties.get("priority"))},
            content_type=message.get("content-type") or "",
            content_encoding=message.get("content-encoding") or "",
        )

    def _to_payload(self, claim: Claim) -> dict[str, Any]:
        message = claim.message
        info = {"exchange": "", "routing_key": claim.queue, **message.properties.get("delivery_info", {})}
        return {
            "body": message.body,
            "headers": message.headers,
            "content-type": message.content_type,
            "content-encoding": message.content_encoding,
            "properties": {
                **message.properties,
                "priority": self.kombus_priority(message.properties.get("priority")),
                "delivery_tag": claim.tag,
                "delivery_info": {**info, "redelivered": claim.attempt > 1},
            },
        }

    def fleets_priority(self, priority: int | None) -> int | None:
        """A client's number as fleet counts: higher goes first."""
        return priority

    def kombus_priority(self, priority: int | None) -> int | None:
        return priority

    def close(self) -> None:
        if not self.closed:
            with suppress(BrokerUnavailable):
                self.qos.restore_unacked()
                for queue in self._temporary:
                    self.store.delete(queue)
        super().close()


class Transport(virtual.Transport):  # type: ignore[misc]
    """`open_store` is what a subclass adds."""

    Channel = Channel
    connection_errors = (BrokerUnavailable, OSError)
    implements = virtual.Transport.implements.extend(exchange_type=frozenset(["direct", "topic", "fanout"]))

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.lease_seconds = float(client.transport_options.get("lease_seconds", 30.0))
        self._store: LeasedStore | None = None
        self._renewer: threading.Thread | None = None
        self._closed = threading.Event()

    def open_store(self) -> LeasedStore:
        raise NotImplementedError

    @property
    def store(self) -> LeasedStore:
        if self._store is None:
            self._store = self.open_store()
        return self._store

    def close_connection(self, connection: Any) -> None:
        super().close_connection(connection)
        self._closed.set()
        if self._renewer is not None:
            self._renewer.join()
        if self._store is not None:
            self._store.close()
            self._store = None

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self._deliver_ready():
            left = _LOOK_AGAIN_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise socket.timeout  # noqa: UP041  # what kombu's callers look for
            self._block(left)

    def _deliver_ready(self) -> bool:
        delivered: int = sum(channel.deliver_ready() for channel in list(self.channels))
        if delivered:
            self.keep_leases()
        return delivered > 0

    def _block(self, seconds: float) -> None:
        """Until something may be ready in a queue that is consumed and has room."""
        queues = [
            queue for channel in self.channels if channel.qos.room() for queue in channel._active_queues
        ]
        if not queues:
            time.sleep(min(seconds, _POLL_SECONDS))
            return
        hint = self.store.listen(queues)
        try:
            change = self.store.next_change(queues)
            limits = [seconds, _POLL_SECONDS if hint is None else _LOOK_AGAIN_SECONDS]
            pause = min(limits if change is None else [*limits, change])
            if not any(self.store.size(queue) for queue in queues):
                wait_readable([] if hint is None else [hint], pause)
        finally:
            self.store.unlisten()

    def keep_leases(self) -> None:
        """Renew from a thread from now on: a callback may take longer than a lease."""
        if self._renewer is None:
            self._renewer = threading.Thread(target=self._renew, name="fleet-leases", daemon=True)
            self._renewer.start()

    def _renew(self) -> None:
        while not self._closed.wait(self.lease_seconds / 3):
            with suppress(BrokerUnavailable):
                self.store.renew()
