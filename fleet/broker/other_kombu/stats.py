"""The statistics of queues on the brokers that fleet knows by kombu only."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.broker.passive_stats import CONNECT_SECONDS, connected, passive_stats
from fleet.broker.stats import QueueStats
from fleet.spec import BrokerSpec, QueueSpec


def kombu_stats(broker: BrokerSpec, queues: Sequence[QueueSpec]) -> list[QueueStats]:
    """Blocks for some seconds at worst. Raises BrokerUnavailable."""
    given = {"connect_timeout": CONNECT_SECONDS, "transport_options": dict(broker.transport_options)}
    with connected(broker, broker.url, given) as connection:
        return [passive_stats(connection, queue) for queue in queues]
