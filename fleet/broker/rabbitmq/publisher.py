"""Publish to RabbitMQ, confirmed."""

from __future__ import annotations

import os
from collections.abc import Sequence

from fleet.broker.delivery import Posting
from fleet.broker.rabbitmq.confirmed_publisher import ConfirmedPublisher
from fleet.broker.rabbitmq.connection import AmqpConnection
from fleet.broker.rabbitmq.queues import declare, may_refuse
from fleet.spec import BrokerSpec, QueueSpec


class RabbitPublisher:
    """See Publisher."""

    def __init__(self, broker: BrokerSpec) -> None:
        # Nobody serves this connection between two sends, and a dead one shows at the next confirm.
        self._connection = AmqpConnection(broker, name=f"fleet producer, pid {os.getpid()}", beats=False)
        self._publisher = ConfirmedPublisher(self._connection)

    def declare(self, queue: QueueSpec) -> None:
        if may_refuse(queue):
            self._publisher.is_apart(queue.name)
        self._publisher.refuse_while_blocked()
        declare(self._connection, queue)

    def publish(self, postings: Sequence[Posting]) -> None:
        self._publisher.publish(postings)

    def close(self) -> None:
        self._connection.close()
