"""Publish to RabbitMQ, confirmed."""

from __future__ import annotations

import os
from collections.abc import Sequence

from fleet.broker.delivery import Posting
from fleet.broker.rabbit.connection import AmqpConnection
from fleet.broker.rabbit.publisher import AmqpPublisher
from fleet.broker.rabbit.queues import declare
from fleet.spec import BrokerSpec, QueueSpec


class AmqpOutlet:
    """See Outlet."""

    def __init__(self, broker: BrokerSpec) -> None:
        # Nobody serves this connection between two sends, and a dead one shows at the next confirm.
        self._connection = AmqpConnection(broker, name=f"fleet producer, pid {os.getpid()}", beats=False)
        self._publisher = AmqpPublisher(self._connection)

    def declare(self, queue: QueueSpec) -> None:
        declare(self._connection, queue)

    def publish(self, postings: Sequence[Posting]) -> None:
        self._publisher.publish(postings)

    def close(self) -> None:
        self._connection.close()
