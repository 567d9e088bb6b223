"""The statistics of queues on RabbitMQ, with what was set aside there to be run alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from fleet.broker.passive_stats import CONNECT_SECONDS, connected, passive, passive_stats
from fleet.broker.rabbitmq.address import arguments
from fleet.broker.stats import QueueStats
from fleet.broker.topology import suspects_queue
from fleet.clock import time
from fleet.spec import BrokerSpec, QueueSpec

_ABSENT_SECONDS = 60.0
_absent_until: dict[tuple[str, str], float] = {}  # queues of suspects; monotonic


def rabbitmq_stats(broker: BrokerSpec, queues: Sequence[QueueSpec]) -> list[QueueStats]:
    """Blocks for some seconds at worst. Raises BrokerUnavailable."""
    url, given = arguments(broker.url, broker.transport_options, connect_seconds=CONNECT_SECONDS)
    with connected(broker, url, given) as connection:
        return [_of(connection, queue) for queue in queues]


def _of(connection: Any, queue: QueueSpec) -> QueueStats:
    seen = passive_stats(connection, queue)
    return replace(seen, ready=(seen.ready or 0) + _suspects(connection, queue.name))


def _suspects(connection: Any, queue: str) -> int:
    """How many wait in the queue for those of `queue`, which hardly ever exists.

    RabbitMQ logs an error for each question about one that does not: asked once a minute then.
    """
    name, now = suspects_queue(queue), time.monotonic()
    place = (connection.as_uri(), name)
    if now < _absent_until.get(place, 0.0):
        return 0
    ready, consumers = passive(connection, name)
    if not ready and not consumers:
        _absent_until[place] = now + _ABSENT_SECONDS
    return ready
