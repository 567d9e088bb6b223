"""The line for every other broker, through kombu's virtual transports.

What holds here: late acks and redelivery as far as kombu's transport for that broker gives them. It gives no
descriptor to wait on, so waking is short polling. A message that is not due yet is held here,
unacknowledged, until its time. Of several queues kombu's transport mixes the messages as it likes; only what
the worker holds is in the order that it should be (`queue_order`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from fleet.broker.consumer import NoSuspects, Subscription
from fleet.broker.delivery import BrokerUnavailable, Delivery, Posting
from fleet.broker.other_kombu.connection import KombuConnection
from fleet.broker.waiting import wait_readable
from fleet.clock import time
from fleet.protocol.words import cause
from fleet.spec import QueueSpec

_SLICE_SECONDS = 0.02
_AT_ONCE_SECONDS = 0.001


class KombuConsumer(NoSuspects):
    """See BrokerConsumer."""

    longest_hold_seconds = float("inf")

    def __init__(self, subscription: Subscription) -> None:
        self._broker = subscription.broker
        self._queues = subscription.queues
        self._declared = {queue.name: queue for queue in (*self._queues, *subscription.dead_letters)}
        self._prefetch = subscription.prefetch
        self._opened: KombuConnection | None = None
        self._inbox: list[Delivery] = []
        self._early: list[tuple[float, Delivery]] = []
        self._messages: dict[Any, Any] = {}
        self._paused = False
        self._skipped: frozenset[str] = frozenset()

    @property
    def _connection(self) -> KombuConnection:
        if self._opened is None:
            raise BrokerUnavailable("not connected")
        return self._opened

    def connect(self) -> bool:
        self.close()
        try:
            self._connect()
        except BaseException:
            self.close()  # half made it may still live, and have brought something
            raise
        return False

    def _connect(self) -> None:
        self._opened = KombuConnection(self._broker)
        for queue in self._queues:
            self._opened.declare(queue)
        self.set_prefetch(self._prefetch)
        if not self._paused:
            self.resume()

    def wait(self, timeout: float, wake_fd: int) -> list[Delivery]:
        deadline = time.monotonic() + timeout
        while True:
            left = max(0.0, deadline - time.monotonic())
            woken = self._drain(min(left, _SLICE_SECONDS), wake_fd)
            self._collect_due()
            if self._inbox:
                arrived, self._inbox = self._inbox, []
                return arrived
            if left <= 0 or woken:
                return []

    def _drain(self, seconds: float, wake_fd: int) -> bool:
        """Take what there is, waiting that long for the first; whether `wake_fd` is readable."""
        connection = self._connection
        if self._paused or len(self._messages) >= self._prefetch:
            return bool(wait_readable([wake_fd], seconds))
        try:
            with connection.guard(), suppress(TimeoutError):
                while len(self._messages) < self._prefetch:
                    connection.kombu.drain_events(timeout=seconds or _AT_ONCE_SECONDS)
                    seconds = _AT_ONCE_SECONDS
        except BrokerUnavailable:
            raise
        except Exception as error:  # kombu's reader, on what is no message
            raise BrokerUnavailable(f"a message that kombu can't read: {cause(error)}") from error
        return bool(wait_readable([wake_fd], 0))

    def _on_message(self, queue: str, message: Any) -> None:
        body = message.body
        delivery = Delivery(
            tag=message.delivery_tag,
            queue=queue,
            body=body.encode() if isinstance(body, str) else bytes(body),
            headers=message.headers,
            properties=message.properties,
            content_type=message.content_type or "",
            content_encoding=message.content_encoding or "",
            redelivered=bool(message.delivery_info.get("redelivered")),
        )
        delivery.redelivered |= bool(delivery.headers.get("redelivered"))
        delivery.attempt += delivery.redelivered
        self._messages[delivery.tag] = message
        self._inbox.append(delivery)

    def _collect_due(self) -> None:
        now = time.monotonic()
        self._inbox += [delivery for due, delivery in self._early if due <= now]
        self._early = [(due, delivery) for due, delivery in self._early if due > now]

    def pause(self) -> None:
        self._paused = True
        if self._opened is not None:
            with self._opened.guard():
                for name in self._consumed():
                    self._opened.channel.basic_cancel(name)

    def resume(self) -> None:
        self._paused = False
        connection = self._connection
        with connection.guard():
            for name in self._consumed():
                connection.channel.basic_consume(
                    name, no_ack=False, callback=partial(self._on_message, name), consumer_tag=name
                )

    def _consumed(self) -> list[str]:
        return [queue.name for queue in self._queues if queue.name not in self._skipped]

    def skip(self, queues: Collection[str]) -> None:
        consuming = self._opened is not None and not self._paused
        if consuming:
            self.pause()
        self._skipped = frozenset(queues)
        if consuming:
            self.resume()

    def set_prefetch(self, prefetch: int) -> None:
        self._prefetch = prefetch
        if self._opened is not None:
            with self._opened.guard():
                self._opened.channel.basic_qos(0, prefetch, False)

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        with self._connection.guard():
            for delivery in deliveries:
                if message := self._messages.pop(delivery.tag, None):
                    message.ack()

    def requeue(self, deliveries: Sequence[Delivery], *, counted: bool) -> None:
        with self._connection.guard():
            for delivery in deliveries:
                if message := self._messages.pop(delivery.tag, None):
                    _give_back(message, counted=counted)

    def replace(self, delivery: Delivery, *postings: Posting) -> None:
        for name in dict.fromkeys(posting.queue for posting in postings):
            self._connection.declare(self._declared.get(name) or QueueSpec(name))
        self._connection.publish(postings)
        self.ack([delivery])

    def defer(self, delivery: Delivery, seconds: float) -> None:
        self._early.append((time.monotonic() + seconds, delivery))

    def take_refusal(self) -> None:
        return None

    def renew(self) -> None:
        """Nothing to renew: the visibility timeout is kombu's."""

    def close(self) -> None:
        connection, self._opened = self._opened, None
        if connection is not None:
            fresh = {each.tag for each in (*self._inbox, *(early for _, early in self._early))}
            with suppress(BrokerUnavailable), connection.guard():
                for tag, message in self._messages.items():  # not every transport does so when it is closed
                    _give_back(message, counted=tag not in fresh)
            connection.close()
        self._inbox.clear()
        self._early.clear()
        self._messages.clear()


def _give_back(message: Any, *, counted: bool) -> None:
    """`counted`: marked in a way that outlives the queue; kombu's own mark does not on every transport."""
    if counted:
        message.headers["redelivered"] = True
    message.requeue()
