"""The queues of a fleet on RabbitMQ: declared as fleet.toml says, or made on demand."""

from __future__ import annotations

import re
from typing import Any

from amqp.exceptions import ChannelError, NotFound

from fleet.broker.delivery import QueueMismatch
from fleet.broker.rabbitmq.connection import AmqpConnection
from fleet.broker.topology import due_queue
from fleet.spec import QueueSpec

_AT_LEAST_ONCE_SINCE = (3, 10)


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


def exists(connection: AmqpConnection, name: str) -> bool:
    with connection.guard():
        try:
            with connection.channel() as channel:
                channel.queue_declare(name, passive=True)
        except ChannelError:
            return False
    return True


def make_queue(connection: AmqpConnection, name: str) -> None:
    """A plain durable queue, unless one of that name exists with whatever settings."""
    with connection.guard():
        try:
            with connection.channel() as channel:
                channel.queue_declare(name, passive=True)
        except NotFound:
            with connection.channel() as channel:
                channel.queue_declare(name, durable=True, auto_delete=False)


def make_due_queue(connection: AmqpConnection, target: str) -> bool:
    """Where delayed messages come due that `target` may refuse; whether there is one now."""
    arguments = {"x-queue-type": "quorum"} if hands_over_at_least_once(connection) else {}
    with connection.guard():
        try:
            with connection.channel() as channel:
                channel.queue_declare(due_queue(target), durable=True, auto_delete=False, arguments=arguments)
        except ChannelError:
            return False  # no right to: whoever wants to delay something is told
    return True


def make_dead_letter_queue(connection: AmqpConnection, queue: QueueSpec) -> None:
    """As fleet.toml declares it. One that exists with other settings takes dead letters as well."""
    try:
        declare(connection, queue)
    except QueueMismatch:
        make_queue(connection, queue.name)


def hands_over_at_least_once(connection: AmqpConnection) -> bool:
    """Whether the broker has quorum queues with TTL that dead-letter safely."""
    server = connection.amqp.server_properties or {}
    version = tuple(int(part) for part in re.findall(r"\d+", str(server.get("version", "")))[:2])
    return server.get("product") == "RabbitMQ" and version >= _AT_LEAST_ONCE_SINCE


def may_refuse(queue: QueueSpec) -> bool:
    """Whether it says no when it is full, as far as fleet.toml tells; a policy of the broker's can say so, too."""
    arguments = queue.arguments
    limited = any(arguments.get(name) is not None for name in ("x-max-length", "x-max-length-bytes"))
    return limited and str(arguments.get("x-overflow", "")).startswith("reject-publish")


def queue_arguments(queue: QueueSpec) -> dict[str, Any]:
    """The x-arguments of a declared queue; those written out in the file win."""
    arguments: dict[str, Any] = {}
    if queue.max_priority is not None:
        arguments["x-max-priority"] = queue.max_priority
    if queue.message_ttl_seconds is not None:
        arguments["x-message-ttl"] = round(queue.message_ttl_seconds * 1000)
    return {**arguments, **queue.arguments}
