"""The queues that Celery gives each worker alone: worker_direct's, and a copy of each Broadcast queue of its group.

Copies wait in a queue named for the worker ("news.main-0@host"), so that a worker that is replaced finds those that
came meanwhile. RabbitMQ fills it by its exchange, and deletes it when nobody has consumed it for a while; the embedded
broker fills it by its bindings. Through kombu's Redis transport copies come by PUB/SUB: see `redis_broadcasts.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from celery.utils.nodenames import worker_direct
from kombu.common import Broadcast

from fleet.spec import QueueSpec
from fleet.worker.private_queues import PrivateQueues

if TYPE_CHECKING:
    from celery import Celery

UNUSED_MILLISECONDS = 1_800_000


def private_queues(app: Celery, node_name: str, names: Collection[str]) -> PrivateQueues:
    """Of a worker whose group has queues of these `names`."""
    added = [_direct(node_name)] if app.conf.worker_direct else []
    copied = dict(broadcasts(app, names))
    by_pubsub = is_by_pubsub(app) if copied else False
    for name, queue in copied.items():
        own = copy_name(name, node_name)
        added.append(QueueSpec(own) if by_pubsub else _bound(own, queue))
    return PrivateQueues(tuple(added), frozenset(copied))


def broadcasts(app: Celery, names: Collection[str]) -> Iterator[tuple[str, Broadcast]]:
    """The Broadcast queues among `names`, by the name that routes and groups call them."""
    for queue in app.amqp.queues.values():
        if isinstance(queue, Broadcast) and (name := queue.alias or queue.name) in names:
            yield name, queue


def copy_name(name: str, node_name: str) -> str:
    """The queue with the worker's copies."""
    return f"{name}.{node_name}"


def is_by_pubsub(app: Celery) -> bool:
    """Whether clients publish what is for all to whoever listens just now."""
    transport: Any = app.connection_for_read().transport
    return type(transport).__module__ == "kombu.transport.redis"


def _direct(node_name: str) -> QueueSpec:
    """As clients declare it."""
    queue = worker_direct(node_name)
    exchange = queue.exchange
    return QueueSpec(queue.name, exchange.name, exchange.type, queue.routing_key)


def _bound(name: str, queue: Broadcast) -> QueueSpec:
    exchange = queue.exchange
    return QueueSpec(
        name,
        exchange.name,
        exchange.type,
        queue.routing_key or "",
        arguments={"x-expires": UNUSED_MILLISECONDS},
    )
