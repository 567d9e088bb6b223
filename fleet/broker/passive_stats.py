"""The statistics that kombu gets by passive declarations, on RabbitMQ and on other brokers alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from fleet.broker.stats import QueueStats
from fleet.broker.urls import opening, unavailable
from fleet.spec import BrokerSpec, QueueSpec

CONNECT_SECONDS = 3.0


@contextmanager
def connected(broker: BrokerSpec, url: str, arguments: Mapping[str, Any]) -> Iterator[Any]:
    """A kombu connection to `url`. Raises BrokerUnavailable, also for whatever is raised inside."""
    import kombu

    with opening(broker.url):
        connection = kombu.Connection(url, **arguments)
    try:
        # Once: whoever asked is waiting, and asks again.
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0)
        if (sock := getattr(connection.connection, "sock", None)) is not None:
            sock.settimeout(CONNECT_SECONDS)  # py-amqp would wait for ever for a broker that has frozen
        yield connection
    except Exception as error:
        # Drivers raise anything, also for what is not installed; whoever asked for numbers gets none.
        raise unavailable(broker.url, error) from error
    finally:
        connection.release()


def passive_stats(connection: Any, queue: QueueSpec) -> QueueStats:
    ready, consumers = passive(connection, queue.name)
    dead, _ = passive(connection, queue.dead_letter) if queue.dead_letter else (0, None)
    return QueueStats(queue.name, ready, None, consumers, dead)


def passive(connection: Any, name: str) -> tuple[int, int | None]:
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
