"""How full the queues are, for `fleet status`: read only, nothing is declared or consumed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.stores import is_leased, is_there, open_store
from fleet.broker.transports.leased import LeasedStore
from fleet.broker.urls import mask_url
from fleet.spec import BrokerSpec, QueueSpec, RoutingSpec, Spec

_CONNECT_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class QueueStats(Spec):
    """One declared queue; None where the broker can't say. `dead` counts its dead-letter queue."""

    name: str
    ready: int | None = None
    unacked: int | None = None
    consumers: int | None = None
    dead: int | None = None
    oldest_seconds: float | None = None


def queue_stats(routing: RoutingSpec) -> list[QueueStats]:
    """One for each declared queue, in their order. Blocks for some seconds at worst.

    Raises BrokerUnavailable.
    """
    if is_leased(routing.broker.url):
        return _of_stores(routing)
    with _connected(routing.broker) as connection:
        return [_of_kombu(connection, queue) for queue in routing.queues]


def _of_stores(routing: RoutingSpec) -> list[QueueStats]:
    if not is_there(routing.broker):
        return [QueueStats(queue.name, 0, 0, None, 0) for queue in routing.queues]
    store = open_store(routing.broker)
    try:
        return [_of_store(store, queue) for queue in routing.queues]
    finally:
        store.close()


def _of_store(store: LeasedStore, queue: QueueSpec) -> QueueStats:
    seen = store.stats(queue.name)
    dead = store.size(queue.dead_letter) if queue.dead_letter else 0
    return QueueStats(queue.name, seen.ready, seen.claimed, None, dead, seen.oldest_seconds)


@contextmanager
def _connected(broker: BrokerSpec) -> Iterator[Any]:
    import kombu

    connection = kombu.Connection(
        broker.url, connect_timeout=_CONNECT_SECONDS, transport_options=dict(broker.transport_options)
    )
    try:
        # Once: whoever asked is waiting, and asks again.
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        if (sock := getattr(connection.connection, "sock", None)) is not None:
            sock.settimeout(_CONNECT_SECONDS)  # py-amqp would wait for ever for a broker that has frozen
        yield connection
    except Exception as error:
        if isinstance(error, (*connection.recoverable_connection_errors, OSError)):
            raise BrokerUnavailable(f"{mask_url(broker.url)}: {error}") from error
        raise
    finally:
        connection.release()


def _of_kombu(connection: Any, queue: QueueSpec) -> QueueStats:
    ready, consumers = _passive(connection, queue.name)
    dead, _ = _passive(connection, queue.dead_letter) if queue.dead_letter else (0, None)
    return QueueStats(queue.name, ready, None, consumers, dead)


def _passive(connection: Any, name: str) -> tuple[int, int | None]:
    """Messages and consumers of a queue; a queue that is not there yet is empty."""
    # kombu's virtual transports don't know who consumes.
    tells = connection.transport.driver_type == "amqp"
    # A channel each: the broker closes it when there is no such queue.
    with connection.channel() as channel:
        try:
            answer = channel.queue_declare(name, passive=True)
        except connection.channel_errors:
            return 0, 0 if tells else None
    return answer.message_count, answer.consumer_count if tells else None
