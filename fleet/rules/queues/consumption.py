"""Queues and the groups that consume them."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Change, Finding
from fleet.rules.registry import rule
from fleet.rules.view import consumed, dead_letters, is_guesswork, meant, most_replicas
from fleet.rules.words import listed


@rule("FLT101", "undeclared-queue", "error", fix="unsafe", reads=("workers.queues", "all queues.*"))
def undeclared_queue(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A worker group consumes a queue that is not declared.

    Every queue has a [queues.NAME] table, be it empty: it says what its tasks mostly do, and a name
    that is declared once can't be spelt in two ways without anybody noticing.

    Bad:

        [queues.http]
        workload = "io"

        [workers.http]
        queues = ["htpp"]
        pool = "gevent"

    Good:

        [queues.http]
        workload = "io"

        [workers.http]
        queues = ["http"]
        pool = "gevent"
    """
    for name, group in fleet.workers.items():
        for index, queue in enumerate(group.queues):
            if queue not in fleet.queues:
                path = ("workers", name, "queues", index)
                yield undeclared(fleet, path, f'group "{name}" consumes the queue "{queue}"', queue)


def undeclared(fleet: Fleet, path: tuple[str | int, ...], who: str, queue: str) -> Finding:
    """The words for a name that no [queues.NAME] has."""
    guess = meant(fleet, queue)
    declare = f"declare it with [queues.{queue}]"
    return Finding(
        path,
        f"{who}, which is not declared",
        help=f'did you mean "{guess}"? Else {declare}' if guess else declare,
        notes=() if guess or not fleet.queues else (f"declared queues: {listed(list(fleet.queues))}",),
        steps=(Change(path, f'"{guess}"'),) if guess else (),
    )


@rule("FLT102", "unconsumed-queue", "warning", reads=("all workers.queues", "all workers.replicas"))
def unconsumed_queue(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A queue that no worker group consumes.

    Messages sent to it wait forever, and the broker fills up. Either a group has to take it, or it
    is left over and can go. Dead-letter queues are meant to wait and are not reported.

    Bad:

        [queues.http]
        [queues.reports]

        [workers.http]
        queues = ["http"]
        pool = "gevent"

    Good:

        [queues.http]
        [queues.reports]

        [workers.http]
        queues = ["http", "reports"]
        pool = "gevent"
    """
    if is_guesswork(fleet):
        return  # the group that should take it may be the one with the wrong name
    fed, taken, dead = {rule.queue for rule in fleet.routes}, consumed(fleet), dead_letters(fleet)
    for name in fleet.queues:
        if name in taken or name in dead:
            continue
        asleep = [
            g for g, group in fleet.workers.items() if name in group.queues and most_replicas(group) == 0
        ]
        why = f'its only group, "{asleep[0]}", has no replicas' if asleep else "no worker group consumes it"
        waiting = "what the routes send there waits forever" if name in fed else "messages in it wait forever"
        yield Finding(
            ("queues", name),
            f'queue "{name}": {why}, so {waiting}',
            help=f'give "{asleep[0]}" a replica'
            if asleep
            else f'add "{name}" to the `queues` of a group, or remove it',
        )
