"""RabbitMQ: would it take the queues as they are declared, and as many connections as the fleet needs?

What exists is looked for with passive declarations, which never create anything. Only what is there is then
declared as fleet would: the broker compares, and that is all, since a declaration that equals what exists
changes nothing and one that differs is refused. Each on a channel of its own, which an error closes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

from amqp.exceptions import AccessRefused, NotFound, PreconditionFailed, ResourceLocked

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.preflight import Objection, Preflight
from fleet.broker.rabbitmq.alarms import alarm
from fleet.broker.rabbitmq.connection import AmqpConnection
from fleet.broker.rabbitmq.queues import queue_arguments
from fleet.spec import BrokerSpec, QueueSpec

QUORUM_SINCE = (3, 8)
MOST_PROBES = 32  # connections opened at once to see whether there is room

_NAME = "fleet validate --connect"
_DIFFERENCE = re.compile(
    r"inequivalent arg '(?P<argument>.+?)' for .*?: received (?P<wanted>.+?) but current is (?P<present>.+)",
    re.DOTALL,
)
_VALUE = re.compile(r"(?:the value )?'(?P<value>.*?)'(?: of type '\w+')?", re.DOTALL)


def preflight_rabbitmq(broker: BrokerSpec, queues: Sequence[QueueSpec], connections: int) -> Preflight:
    """Raises BrokerUnavailable."""
    connection = AmqpConnection(broker, name=_NAME)
    try:
        product, version = _server(connection)
        objections = [
            *_no_quorum(product, version, queues),
            *(objection for queue in queues for objection in _queue(connection, queue)),
            *(objection for queue in queues if queue.exchange for objection in _exchange(connection, queue)),
        ]
    finally:
        connection.close()
    objections += [*_alarmed(broker), *_no_room(broker, connections)]
    return Preflight(f"{product} {version}".strip(), tuple(objections))


def _server(connection: AmqpConnection) -> tuple[str, str]:
    properties = connection.amqp.server_properties or {}
    return str(properties.get("product", "AMQP broker")), str(properties.get("version", ""))


def _alarmed(broker: BrokerSpec) -> Iterator[Objection]:
    if reason := alarm(broker, name=_NAME):
        yield Objection(
            reason,
            help="free memory or disk, or raise vm_memory_high_watermark or disk_free_limit; "
            "`rabbitmqctl status` shows the alarms",
        )


def _no_quorum(product: str, version: str, queues: Sequence[QueueSpec]) -> Iterator[Objection]:
    if product != "RabbitMQ" or tuple(int(part) for part in re.findall(r"\d+", version)[:2]) >= QUORUM_SINCE:
        return
    for queue in queues:
        if queue.arguments.get("x-queue-type") == "quorum":
            yield Objection(
                f'queue "{queue.name}": RabbitMQ {version} has no quorum queues, they came with 3.8',
                help="a newer RabbitMQ, or a classic queue: leave x-queue-type out",
                queue=queue.name,
                argument="x-queue-type",
            )


def _queue(connection: AmqpConnection, queue: QueueSpec) -> Iterator[Objection]:
    with connection.guard():
        try:
            with connection.channel() as channel:
                channel.queue_declare(queue.name, passive=True)
            with connection.channel() as channel:
                channel.queue_declare(
                    queue.name, durable=queue.durable, auto_delete=False, arguments=queue_arguments(queue)
                )
        except NotFound:
            return  # fleet will make it
        except (PreconditionFailed, ResourceLocked, AccessRefused) as error:
            yield _refusal("queue", queue.name, queue.name, error)


def _exchange(connection: AmqpConnection, queue: QueueSpec) -> Iterator[Objection]:
    with connection.guard():
        try:
            for passive in (True, False):
                with connection.channel() as channel:
                    channel.exchange_declare(
                        queue.exchange,
                        queue.exchange_type,
                        passive=passive,
                        durable=queue.durable,
                        auto_delete=False,
                    )
        except NotFound:
            return
        except (PreconditionFailed, AccessRefused) as error:
            yield _refusal("exchange", queue.exchange, queue.name, error)


def _refusal(kind: str, name: str, queue: str, error: Any) -> Objection:
    what = f'{kind} "{name}"'
    if found := _DIFFERENCE.search(error.reply_text or ""):
        argument, wanted, present = found["argument"], _value(found["wanted"]), _value(found["present"])
        return Objection(
            f"{what} exists with another {argument}: {present} on the broker, {wanted} in fleet.toml",
            help=f"make fleet.toml agree, or delete the {kind} on the broker once it is empty",
            queue=queue,
            argument=argument if kind == "queue" else f"{kind} {argument}",
        )
    if isinstance(error, AccessRefused):
        return Objection(
            f"{what}: the broker's user may not declare it: {error.reply_text}",
            help="give the user the permission to configure it: `rabbitmqctl set_permissions`",
            queue=queue,
        )
    return Objection(
        f"{what}: refused by the broker: {error.reply_text}",
        help="those are RabbitMQ's words; its own log says more",
        queue=queue,
    )


def _value(text: str) -> str:
    """RabbitMQ's `the value '10' of type 'signedint'` → "10"; "none" stays."""
    found = _VALUE.fullmatch(text.strip())
    return found["value"] if found else text.strip()


def _no_room(broker: BrokerSpec, connections: int) -> Iterator[Objection]:
    """Limits on connections show only when they are reached."""
    wanted = min(connections, MOST_PROBES)
    with ExitStack() as opened:
        for number in range(1, wanted + 1):
            try:
                connection = AmqpConnection(broker, name=_NAME)
            except BrokerUnavailable as error:
                yield Objection(
                    f"the broker has no room for the {connections} connections that this fleet needs: "
                    f"it refused number {number}: {error}",
                    help="raise the connection limit of vhost, user or node, or start fewer replicas",
                )
                return
            opened.callback(connection.close)
