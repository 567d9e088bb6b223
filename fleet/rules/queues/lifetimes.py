"""Queues that RabbitMQ deletes by itself, and queues that it lets one worker alone consume."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from fleet.config.model import Autoscale, Fleet, Queue, format_duration
from fleet.machine import Machine
from fleet.rules.consumption_facts import count, keep_dead_letters, meant, most_replicas
from fleet.rules.finding import Drop, Finding, KeyPath, Mark
from fleet.rules.queues.arguments import milliseconds
from fleet.rules.queues.quorum import rabbit_queues
from fleet.rules.registry import rule

_ALONE = "x-single-active-consumer"


@rule(
    "FLT123",
    "expiring-queue",
    "warning",
    varies=True,
    fix="unsafe",
    reads=("queues.arguments", "queues.dead_letter", "broker.url"),
)
def expiring_queue(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A queue with `x-expires`: RabbitMQ deletes it, with all that waits in it.

    The time runs while nobody consumes the queue: while the fleet is down, its group is paused or scaled to zero, or no
    worker can start. Then the queue is gone, its messages with it, and nobody is told. Nobody consumes dead-letter
    queues, so that theirs always runs. `message_ttl` is for messages that are of no use after a time.

    Bad:

        [queues.images]
        arguments = { x-expires = 600_000 }

    Good:

        [queues.images]
        message_ttl = "10m"

    Source: RabbitMQ documentation, Time-To-Live and Expiration (Queue TTL).
    """
    for name, queue in rabbit_queues(fleet):
        after = milliseconds(queue.arguments.get("x-expires"))
        if after is None or not 0 < after < 2**32:
            continue  # FLT107, FLT121
        path: KeyPath = ("queues", name, "arguments", "x-expires")
        time = format_duration(timedelta(milliseconds=after))
        is_grave = name in keep_dead_letters(fleet)
        yield Finding(
            path,
            f'queue "{name}" keeps dead letters, which nobody consumes: RabbitMQ deletes it, and them, after {time}'
            if is_grave
            else f'RabbitMQ deletes the queue "{name}", and all that waits in it, when no worker has consumed it for '
            f"{time}",
            help='message_ttl = "14d" for dead letters that nobody needs later'
            if is_grave
            else "remove x-expires; to drop old messages and keep the queue, write message_ttl",
            steps=(Drop(path if len(queue.arguments) > 1 else path[:-1]),),
        )


@rule(
    "FLT124",
    "workers-that-stand-by",
    "info",
    reads=("queues.arguments", "workers.queues", "workers.replicas", "broker.url"),
)
def workers_that_stand_by(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """More workers than queues, each of which RabbitMQ gives to one worker alone.

    With `x-single-active-consumer` one consumer at a time gets the messages of a queue, and the others wait until it is
    gone. More workers than such queues do nothing but stand by, which may be meant. A group that scales with the load
    would start workers that can't help: there it is a warning.

    Bad:

        [queues.ledger]
        arguments = { x-single-active-consumer = true }

        [workers.ledger]
        queues = ["ledger"]
        pool = "solo"
        replicas = { min = 1, max = 8 }

    Good:

        [queues.ledger]
        arguments = { x-single-active-consumer = true }

        [workers.ledger]
        queues = ["ledger"]
        pool = "solo"
        replicas = 1

    Source: RabbitMQ documentation, Consumers (Single Active Consumer).
    """
    rabbits = dict(rabbit_queues(fleet))
    for name, group in fleet.workers.items():
        queues = [queue for each in dict.fromkeys(group.queues) if (queue := meant(fleet, each))]
        most = most_replicas(group)
        if not queues or most <= len(queues) or not all(_is_for_one(rabbits.get(queue)) for queue in queues):
            continue
        scales = isinstance(group.replicas, Autoscale)
        yield Finding(
            ("workers", name, "replicas"),
            f'group "{name}": of {count(most, "worker")} no more than {len(queues)} can get messages; the others '
            "stand by",
            related=(Mark(("queues", queues[0], "arguments", _ALONE), "for one worker at a time"),),
            help="a fixed number of replicas: more can't help with the load"
            if scales
            else "nothing to do if one is to take over when another ends; else fewer replicas",
            severity="warning" if scales else None,
        )


def _is_for_one(queue: Queue | None) -> bool:
    return queue is not None and queue.arguments.get(_ALONE) is True
