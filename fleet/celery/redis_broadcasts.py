"""Broadcast queues through kombu's Redis transport: each copy is put into a queue of this worker alone.

A client that has declared the exchange publishes to whoever listens, by PUB/SUB, which keeps nothing: what comes that
way is passed on here. One that has not (Celery's clients don't) takes it for a direct exchange and fills the queues
that are bound, where no `celery worker` looks: so the worker's queue is bound, too.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from kombu import Consumer, Producer, Queue

from fleet.celery.worker_queues import UNUSED_MILLISECONDS, broadcasts, copy_name
from fleet.clock import time

if TYPE_CHECKING:
    from celery import Celery

_RENEW_SECONDS = 5.0
_RETRY = {"max_retries": 5, "interval_start": 0.1, "interval_step": 0.5}


class RedisBroadcasts:
    """Of one worker, `serve`d with a connection until that breaks or the worker ends."""

    def __init__(self, app: Celery, node_name: str, names: tuple[str, ...], over: threading.Event) -> None:
        self._app = app
        self._over = over
        self._queues = [
            Queue(
                copy_name(name, node_name),
                queue.exchange,
                routing_key=queue.routing_key or "",
                queue_arguments={"x-expires": UNUSED_MILLISECONDS},
            )
            for name, queue in broadcasts(app, names)
        ]

    def __bool__(self) -> bool:
        return bool(self._queues)

    def serve(self, connection: Any, drain: Callable[[Any], None]) -> None:
        with self._app.connection_for_write() as outgoing:
            producer, channel = Producer(outgoing.channel()), connection.channel()
            for queue in self._queues:
                copy = partial(self._copy, producer, queue.name)
                Consumer(channel, [queue], on_message=copy, no_ack=True).consume()
            renewed_at = 0.0
            while not self._over.is_set():
                if time.monotonic() - renewed_at >= _RENEW_SECONDS:
                    renewed_at = time.monotonic()
                    self._renew(channel)
                drain(connection)
            self._unbind(channel)

    def _copy(self, producer: Any, own: str, message: Any) -> None:
        """With its body as it is."""
        properties = message.properties
        kept = {name: properties[name] for name in ("correlation_id", "reply_to") if properties.get(name)}
        producer.publish(
            message.body,
            routing_key=own,
            headers=message.headers,
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            priority=properties.get("priority"),
            retry=True,
            retry_policy=_RETRY,
            **kept,
        )

    def _renew(self, channel: Any) -> None:
        """Bound again, for a predecessor may just have ended; what lies there stays as long as there is a worker."""
        for queue in self._queues:
            channel._queue_bind(queue.exchange.name, queue.routing_key, "", queue.name)
            for step in channel.priority_steps:
                channel.client.pexpire(channel._q_for_pri(queue.name, step), UNUSED_MILLISECONDS)

    def _unbind(self, channel: Any) -> None:
        """Else, if no worker of this name comes back, clients fill its queue for ever."""
        for queue in self._queues:
            member = channel.sep.join([queue.routing_key, "", queue.name])
            channel.client.srem(channel.keyprefix_queue % (queue.exchange.name,), member)
