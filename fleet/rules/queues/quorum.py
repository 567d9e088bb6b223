"""The kinds of RabbitMQ's queues and what they can't do: quorum queues, priorities, delivery limits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fleet.config.model import Fleet, Queue
from fleet.machine import Machine
from fleet.rules.brokers import may_be_rabbitmq
from fleet.rules.finding import Add, Change, Drop, Finding, KeyPath, Mark
from fleet.rules.registry import rule

_SENSIBLE_PRIORITIES = 10
_MOST_PRIORITIES = 255


@rule(
    "FLT104",
    "transient-quorum-queue",
    "error",
    fix="unsafe",
    reads=("queues.durable", "queues.arguments"),
)
def transient_quorum_queue(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A quorum queue that is not durable.

    A quorum queue is a replicated log on disk: it is always durable. RabbitMQ refuses the declaration, and the group
    that consumes the queue does not start.

    Bad:

        [queues.images]
        durable = false
        arguments = { x-queue-type = "quorum" }

    Good:

        [queues.images]
        arguments = { x-queue-type = "quorum" }

    Source: RabbitMQ documentation, Quorum Queues, feature comparison.
    """
    for name, queue in rabbit_queues(fleet):
        if not is_quorum(queue):
            continue
        kind = Mark(("queues", name, "arguments", "x-queue-type"), "a quorum queue")
        if not queue.durable:
            path: KeyPath = ("queues", name, "durable")
            message = f'queue "{name}" is a quorum queue and not durable: RabbitMQ refuses it'
            yield Finding(
                path,
                message,
                related=(kind,),
                help="remove `durable = false`; for messages that may be lost, a classic queue",
                steps=(Drop(path),),
            )


@rule(
    "FLT105",
    "priorities-on-quorum-queue",
    "error",
    fix="unsafe",
    reads=("queues.max_priority", "queues.arguments"),
)
def priorities_on_quorum_queue(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`max_priority` on a quorum queue.

    RabbitMQ refuses x-max-priority on quorum queues (from 4.0 on they know two priorities of their own,
    without being asked). Two queues, consumed in order of preference, do the same and also keep a flood
    of unimportant messages apart.

    Bad:

        [queues.images]
        max_priority = 10
        arguments = { x-queue-type = "quorum" }

    Good:

        [queues.images]
        max_priority = 10

    Source: RabbitMQ documentation, Quorum Queues.
    """
    for name, queue in rabbit_queues(fleet):
        path = _priority_key(name, queue)
        if path and is_quorum(queue):
            yield Finding(
                path,
                f'queue "{name}" is a quorum queue: RabbitMQ refuses `max_priority` for it',
                related=(Mark(("queues", name, "arguments", "x-queue-type"), "a quorum queue"),),
                help="remove `max_priority`, or make it a classic queue; or take two queues, the preferred one "
                "first in the group's `queues`",
                steps=(Drop(path),),
            )


@rule("FLT106", "too-many-priorities", "error", fix="unsafe", reads=("queues.max_priority",))
def too_many_priorities(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`max_priority` is out of range (over 255), or needlessly large (over 10).

    A priority is one byte, so that RabbitMQ refuses more than 255. It keeps one internal queue for each
    level, which costs memory and CPU even while it is empty; more than a handful of levels is more than
    anybody can tell apart.

    Bad:

        [queues.images]
        max_priority = 100

    Good:

        [queues.images]
        max_priority = 10

    Source: RabbitMQ documentation, Priority Queues ("a single digit number").
    """
    for name, queue in rabbit_queues(fleet):
        path = _priority_key(name, queue)
        levels = queue.max_priority or queue.arguments.get("x-max-priority")
        if not path or is_quorum(queue) or not isinstance(levels, int) or levels <= _SENSIBLE_PRIORITIES:
            continue
        refused = levels > _MOST_PRIORITIES
        yield Finding(
            path,
            f'queue "{name}" has {levels:,} priorities: RabbitMQ takes at most {_MOST_PRIORITIES}'
            if refused
            else f'queue "{name}" has {levels} priorities: RabbitMQ keeps a queue of its own for each',
            help=f"max_priority = {_SENSIBLE_PRIORITIES} is plenty",
            severity=None if refused else "warning",
            steps=(Change(path, str(_SENSIBLE_PRIORITIES)),),
        )


@rule("FLT108", "argument-without-effect", "error", fix="unsafe", reads=("queues.arguments",))
def argument_without_effect(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """An argument that needs another one beside it.

    `x-delivery-limit` needs a quorum queue: classic queues do not count deliveries, so that the poison
    message that it was meant to stop goes round forever. (fleet's own `max_deliveries` works on every
    queue.) A dead-letter routing key without a dead-letter exchange is refused by RabbitMQ.

    Bad:

        [queues.images]
        arguments = { x-delivery-limit = 5 }

    Good:

        [queues.images]
        arguments = { x-queue-type = "quorum", x-delivery-limit = 5 }

    Source: RabbitMQ documentation, Quorum Queues (poison messages) and Dead Letter Exchanges.
    """
    for name, queue in rabbit_queues(fleet):
        arguments = queue.arguments
        path: KeyPath = ("queues", name, "arguments")
        if "x-delivery-limit" in arguments and not is_quorum(queue):
            yield Finding(
                (*path, "x-delivery-limit"),
                f'queue "{name}" is a classic queue: it does not count deliveries, and ignores the limit',
                help='add x-queue-type = "quorum" beside it, or use `max_deliveries` in the worker group instead',
                steps=(Add(path, "x-queue-type", '"quorum"'),),
            )
        if "x-dead-letter-routing-key" in arguments and "x-dead-letter-exchange" not in arguments:
            yield Finding(
                (*path, "x-dead-letter-routing-key"),
                f'queue "{name}" has a dead-letter routing key but no dead-letter exchange: '
                "RabbitMQ refuses it",
                help='add x-dead-letter-exchange = "" beside it: the routing key then is the name of a queue',
                steps=(Add(path, "x-dead-letter-exchange", '""'),),
            )


@rule(
    "FLT117",
    "delivery-limit-below-count",
    "error",
    fix="unsafe",
    reads=("queues.arguments", "workers.max_deliveries"),
)
def delivery_limit_below_count(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`x-delivery-limit` 0 or 1: RabbitMQ drops messages before they are counted.

    A quorum queue counts each time a message comes back, whoever is to blame: when a worker dies, all that
    it held is counted. What has come back more often than `x-delivery-limit` says is dropped, or goes to
    the dead-letter exchange of the queue, without a reason. fleet publishes what has come back again before
    the limit is reached, with the count in the message, and only what takes its worker down alone goes to
    the dead letters. With a limit of 0 the first death of a worker loses all that it held; with 1 a second
    one does, if it follows at once. From 2 on `max_deliveries` is what holds, whatever the limit is.

    Bad:

        [queues.images]
        arguments = { x-queue-type = "quorum", x-delivery-limit = 0 }

    Good:

        [queues.images]
        arguments = { x-queue-type = "quorum", x-delivery-limit = 20 }

    Source: RabbitMQ documentation, Quorum Queues (poison message handling). Without the argument there is
    no limit before RabbitMQ 4.0, and one of 20 from then on.
    """
    for name, queue in rabbit_queues(fleet):
        limit = queue.arguments.get("x-delivery-limit")
        if not is_quorum(queue) or isinstance(limit, bool) or limit not in (0, 1):
            continue
        path: KeyPath = ("queues", name, "arguments", "x-delivery-limit")
        yield Finding(
            path,
            f'queue "{name}": with this limit RabbitMQ drops a message at its '
            f"{'first' if limit == 0 else 'second'} return, even if its task never started and only its worker died",
            help="set x-delivery-limit to 20 or so: then `max_deliveries` decides first, and keeps what it gives up, "
            "with the reason",
            severity=None if limit == 0 else "warning",
            steps=(Change(path, "20"),),
        )


def rabbit_queues(fleet: Fleet) -> Iterable[tuple[str, Queue]]:
    """All queues, when RabbitMQ can be the one that declares them; others leave the arguments out (FLT111)."""
    return fleet.queues.items() if may_be_rabbitmq(fleet) else ()


def is_quorum(queue: Queue) -> bool:
    return queue.arguments.get("x-queue-type") == "quorum"


def _priority_key(name: str, queue: Queue) -> KeyPath | None:
    """Where the file says how many priorities the queue has."""
    if queue.max_priority is not None:
        return "queues", name, "max_priority"
    return ("queues", name, "arguments", "x-max-priority") if "x-max-priority" in queue.arguments else None
