"""What RabbitMQ's kinds of queues can't do: quorum queues, priorities, delivery limits."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet, Queue
from fleet.machine import Machine
from fleet.rules.finding import Add, Change, Drop, Finding, KeyPath, Mark
from fleet.rules.registry import rule

_TRANSIENT = ("exclusive", "auto_delete", "auto-delete", "autodelete")
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
    """A quorum queue that is not durable, or exclusive, or deleted by itself.

    A quorum queue is a replicated log on disk: it is always durable, and belongs to no connection.
    RabbitMQ refuses the declaration, and the group that consumes the queue does not start.

    Bad:

        [queues.images]
        durable = false
        arguments = { x-queue-type = "quorum" }

    Good:

        [queues.images]
        arguments = { x-queue-type = "quorum" }

    Source: RabbitMQ documentation, Quorum Queues, feature comparison.
    """
    for name, queue in fleet.queues.items():
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
        for key in queue.arguments:
            if key.removeprefix("x-") in _TRANSIENT and queue.arguments[key]:
                path = ("queues", name, "arguments", key)
                yield Finding(
                    path,
                    f'queue "{name}" is a quorum queue: `{key}` is not for it, RabbitMQ refuses it',
                    related=(kind,),
                    help=f"remove `{key}`",
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
    for name, queue in fleet.queues.items():
        path = _priority_key(name, queue)
        if path and is_quorum(queue):
            yield Finding(
                path,
                f'queue "{name}" is a quorum queue: it has no `max_priority`, RabbitMQ refuses it',
                related=(Mark(("queues", name, "arguments", "x-queue-type"), "a quorum queue"),),
                help="remove it, or make it a classic queue; or two queues, the preferred one first",
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
    for name, queue in fleet.queues.items():
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
            help=f"at most {_SENSIBLE_PRIORITIES} is plenty",
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
    for name, queue in fleet.queues.items():
        arguments = queue.arguments
        path: KeyPath = ("queues", name, "arguments")
        if "x-delivery-limit" in arguments and not is_quorum(queue):
            yield Finding(
                (*path, "x-delivery-limit"),
                f'queue "{name}" is a classic queue: it does not count deliveries, and ignores the limit',
                help='x-queue-type = "quorum" beside it, or `max_deliveries` in the worker group',
                steps=(Add(path, "x-queue-type", '"quorum"'),),
            )
        if "x-dead-letter-routing-key" in arguments and "x-dead-letter-exchange" not in arguments:
            yield Finding(
                (*path, "x-dead-letter-routing-key"),
                f'queue "{name}" has a dead-letter routing key but no dead-letter exchange: '
                "RabbitMQ refuses it",
                help='x-dead-letter-exchange = "" beside it leads to the queue of that name',
                steps=(Add(path, "x-dead-letter-exchange", '""'),),
            )


def is_quorum(queue: Queue) -> bool:
    return queue.arguments.get("x-queue-type") == "quorum"


def _priority_key(name: str, queue: Queue) -> KeyPath | None:
    """Where the file says how many priorities the queue has."""
    if queue.max_priority is not None:
        return "queues", name, "max_priority"
    return ("queues", name, "arguments", "x-max-priority") if "x-max-priority" in queue.arguments else None
