"""Which line a broker URL gets. Imports the one that is needed: a worker on SQLite never loads kombu."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.broker.lines import Line
from fleet.broker.stores import is_leased, open_store
from fleet.broker.urls import scheme
from fleet.spec import BrokerSpec, QueueSpec


def open_line(broker: BrokerSpec, queues: Sequence[QueueSpec], *, prefetch: int, identity: str) -> Line:
    """Nothing is connected yet."""
    if is_leased(broker.url):
        from fleet.broker.lines.leased import LeasedLine

        return LeasedLine(
            lambda: open_store(broker, owner=identity),
            queues,
            prefetch=prefetch,
            lease_seconds=broker.lease_seconds,
            owner=identity,
        )
    if scheme(broker.url) == "amqp":
        from fleet.broker.lines.amqp import AmqpLine

        return AmqpLine(broker, queues, prefetch=prefetch, identity=identity)
    from fleet.broker.lines.stock import StockLine

    return StockLine(broker, queues, prefetch=prefetch)
