"""The queues of a fleet on RabbitMQ: declared as fleet.toml says, or made on demand."""

from __future__ import annotations

from typing import Any

from amqp.exceptions import NotFound

from fleet.broker.rabbit.connection import AmqpConnection
from fleet.spec import QueueSpec


def declare(connection: AmqpConnection, queue: QueueSpec) -> None:
    """Make the queue, its exchange and its binding.

    Raises QueueMismatch when one exists with other settings, else BrokerUnavailable.
    """
    with connection.guard(), connection.channel() as channel:
        channel.queue_declare(
            queue.name, durable=queue.durable, auto_delete=False, arguments=queue_arguments(queue)
        )
        if queue.exchange:
            channel.exchange_declare(
                queue.exchange, queue.exchange_type, durable=queue.durable, auto_delete=False
            )
            channel.queue_bind(queue.name, queue.exchange, queue.routing_key or queue.name)


def make_queue(connection: AmqpConnection, name: str) -> None:
    """A plain durable queue, unless one of that name exists with whatever settings."""
    with connection.guard():
        try:
            with connection.channel() as channel:
                channel.queue_declare(name, passive=True)
        except NotFound:
            with connection.channel() as channel:
                channel.queue_declare(name, durable=True, auto_delete=False)


def queue_arguments(queue: QueueSpec) -> dict[str, Any]:
    """The x-arguments of a declared queue; those written out in the file win."""
    arguments: dict[str, Any] = {}
    if queue.max_priority is not None:
        arguments["x-max-priority"] = queue.max_priority
    if queue.message_ttl_seconds is not None:
        arguments["x-message-ttl"] = round(queue.message_ttl_seconds * 1000)
    return {**arguments, **queue.arguments}
