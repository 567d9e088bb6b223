"""Raw queue arguments that RabbitMQ takes, and that then do nothing."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet, Queue
from fleet.machine import Machine
from fleet.rules.finding import Add, Drop, Finding, KeyPath, Step
from fleet.rules.queues.quorum import is_quorum, rabbit_queues
from fleet.rules.registry import rule
from fleet.rules.words import listed

_BOUNDS = ("x-max-length", "x-max-length-bytes")
_OVERFLOWS = ("drop-head", "reject-publish", "reject-publish-dlx")
_MIRRORS = ("x-ha-policy", "x-ha-nodes", "x-ha-sync-mode")


@rule("FLT125", "idle-argument", "warning", fix="unsafe", reads=("queues.arguments",))
def idle_argument(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A raw queue argument that RabbitMQ takes and then does nothing with.

    What a full queue does (`x-overflow`) means nothing to a queue that is never full. `x-dead-letter-strategy` says how
    sure what goes to the dead-letter exchange is to get there: "at-least-once" needs that exchange, and x-overflow =
    "reject-publish", else RabbitMQ falls back to "at-most-once". `x-ha-…` have meant nothing since RabbitMQ 3: a queue
    is kept on several nodes by being a quorum queue.

    Bad:

        [queues.images]
        arguments = { x-overflow = "reject-publish" }

    Good:

        [queues.images]
        arguments = { x-overflow = "reject-publish", x-max-length = 10_000 }

    Source: RabbitMQ documentation, Queue Length Limit; Quorum Queues (at-least-once dead-lettering).
    """
    for name, queue in rabbit_queues(fleet):
        path: KeyPath = ("queues", name, "arguments")
        yield from _overflow(path, name, queue)
        yield from _strategy(path, queue)
        yield from _mirrors(path, queue)


def _mirrors(path: KeyPath, queue: Queue) -> Iterator[Finding]:
    keys = [key for key in _MIRRORS if key in queue.arguments]
    if keys:
        others = [key for key in queue.arguments if key not in keys]
        more = "" if is_quorum(queue) else '; x-queue-type = "quorum" is what keeps a queue on several nodes'
        yield Finding(
            (*path, keys[0]),
            f"RabbitMQ has not looked at {listed(keys)} since version 3",
            part="key",
            help=f"remove {'it' if not keys[1:] else 'them'}{more}",
            steps=tuple(Drop((*path, key)) for key in keys) if others else (Drop(path),),
        )


def _overflow(path: KeyPath, name: str, queue: Queue) -> Iterator[Finding]:
    is_bounded = any(bound in queue.arguments for bound in _BOUNDS)
    # Beside the strategy it is what that asks for, full or not.
    is_known = queue.arguments.get("x-overflow") in _OVERFLOWS  # else FLT121
    if is_known and not is_bounded and "x-dead-letter-strategy" not in queue.arguments:
        yield Finding(
            (*path, "x-overflow"),
            f'`x-overflow` does nothing: the queue "{name}" has no limit, and is never full',
            help="x-max-length = 10_000 beside it, if it is to have one; else remove it",
            steps=_without(path, "x-overflow", queue),
        )


def _strategy(path: KeyPath, queue: Queue) -> Iterator[Finding]:
    arguments = queue.arguments
    strategy = arguments.get("x-dead-letter-strategy")
    if strategy is None or not is_quorum(queue):
        return  # FLT121
    place = (*path, "x-dead-letter-strategy")
    if "x-dead-letter-exchange" not in arguments:
        yield Finding(
            place,
            "`x-dead-letter-strategy` does nothing without an x-dead-letter-exchange",
            help="remove it: fleet itself moves dead letters, and confirms each",
            steps=_without(path, "x-dead-letter-strategy", queue),
        )
    elif strategy == "at-least-once" and arguments.get("x-overflow") != "reject-publish":
        is_free = "x-overflow" not in arguments
        yield Finding(
            place,
            'without x-overflow = "reject-publish" RabbitMQ falls back to "at-most-once", and says so in its log only',
            help='x-overflow = "reject-publish" beside it',
            steps=(Add(path, "x-overflow", '"reject-publish"'),) if is_free else (),
        )


def _without(path: KeyPath, key: str, queue: Queue) -> tuple[Step, ...]:
    return (Drop((*path, key) if len(queue.arguments) > 1 else path),)
