"""Queues with a bound: what RabbitMQ does when they are full, and what fleet then does."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fleet.config.model import Fleet, Queue
from fleet.machine import Machine
from fleet.rules.brokers import AMQP, broker_kind
from fleet.rules.consumption_facts import keep_dead_letters
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.registry import rule

_BOUNDS = ("x-max-length", "x-max-length-bytes")
_OVERFLOWS = (None, "drop-head", "reject-publish", "reject-publish-dlx")  # FLT121 has the others
_SAYS_NO = ("reject-publish", "reject-publish-dlx")


@rule("FLT114", "bounded-queue", "warning", varies=True, reads=("queues.arguments", "queues.dead_letter"))
def bounded_queue(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A queue with a maximum length: when full it refuses messages or drops some.

    With `x-overflow = "reject-publish"` RabbitMQ says no. A send then raises; retries and what a worker
    gives back wait in the broker, beside the queue, until there is room; dead letters for a full
    dead-letter queue stay with the worker, unacknowledged, and hold up more and more of it. `fleet status`
    says so in each case, and nothing is lost. Without it RabbitMQ drops the oldest message of a full queue
    (x-overflow = "drop-head", the default) and nobody is told; of a dead-letter queue that is the very
    thing that was to be kept.

    Bad:

        [broker]
        url = "amqp://127.0.0.1//"

        [queues.images]
        workload = "cpu"

        [queues."images.dead"]
        arguments = { x-max-length = 1000 }

    Good:

        [broker]
        url = "amqp://127.0.0.1//"

        [queues.images]
        workload = "cpu"

    Source: RabbitMQ documentation, Queue Length Limit.
    """
    if broker_kind(fleet) not in (AMQP, None):
        return  # FLT111: others ignore it
    graves = keep_dead_letters(fleet)
    for name, queue in fleet.queues.items():
        bound = next((key for key in _BOUNDS if _is_bound(queue.arguments.get(key))), None)
        if bound is None or queue.arguments.get("x-overflow") not in _OVERFLOWS:
            continue
        path: KeyPath = ("queues", name, "arguments", bound)
        refuses = queue.arguments.get("x-overflow") in _SAYS_NO
        if name in graves:
            yield _of_dead_letters(name, path, refuses=refuses)
        elif refuses:
            yield Finding(
                path,
                f'queue "{name}" refuses messages when it is full: a send raises, retries wait until there is room',
                help="nothing to do if whoever sends is ready for that; else raise the limit or remove it",
                severity="info",
            )
        else:
            yield Finding(
                path,
                f'queue "{name}" drops its oldest message when it is full, and nobody is told',
                help=_advice(queue),
            )


def _is_bound(value: Any) -> bool:
    """A number, also one in quotes, which FLT107 mends: what follows from it is the same."""
    return (type(value) is int and value >= 0) or (isinstance(value, str) and value.isdecimal())


def _of_dead_letters(name: str, path: KeyPath, *, refuses: bool) -> Finding:
    what = (
        "refuses dead letters when it is full: workers hold them, and in the end take nothing new"
        if refuses
        else "drops its oldest dead letter when it is full, and nobody is told"
    )
    return Finding(
        path,
        f'queue "{name}" {what}',
        help="remove the limit: `fleet dead retry` and `fleet dead purge` empty this queue",
    )


def _advice(queue: Queue) -> str:
    if "x-dead-letter-exchange" in queue.arguments:
        return 'x-overflow = "reject-publish" beside it, if what is dead-lettered is not looked after'
    return 'x-overflow = "reject-publish" beside it: then a send raises, and retries wait'
