"""Queues and the groups that consume them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.config.toml import to_key, to_toml
from fleet.machine import Machine
from fleet.rules.consumption_facts import (
    consumed,
    consumers,
    is_guesswork,
    keep_dead_letters,
    meant,
    most_replicas,
)
from fleet.rules.finding import Change, Finding
from fleet.rules.registry import rule
from fleet.rules.words import listed


@rule(
    "FLT101", "undeclared-queue", "error", fix="unsafe", reads=("workers.queues", "all queues."), needed=True
)
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
    parts = [part for part in re.split(r"[,\s]+", queue) if part]
    if len(parts) > 1 and isinstance(path[-1], int) and all(part in fleet.queues for part in parts):
        several = ", ".join(to_toml(part) for part in parts)
        return Finding(
            path,
            f"{who}: these are several names in one text",
            help=f"write {several}: each in quotes of its own",
            steps=(Change(path, several),),
        )
    if any(mark in queue for mark in "*?["):
        return Finding(
            path,
            f"{who}, which is not declared",
            help="there are no wildcards here: name each queue",
            notes=(f"declared queues: {listed(fleet.queues)}",) if fleet.queues else (),
        )
    guess = meant(fleet, queue)
    if guess and not guess.isprintable():
        return Finding(
            path,
            f"{who}, which is not declared",
            help=f"the queue that is declared has a character that can't be seen in its name: {guess!a}",
        )
    declare = f"declare it with [queues.{to_key(queue)}]"
    return Finding(
        path,
        f"{who}, which is not declared",
        help=f'did you mean "{guess}"? Else {declare}' if guess else declare,
        notes=() if guess or not fleet.queues else (f"declared queues: {listed(fleet.queues)}",),
        steps=(Change(path, f'"{guess}"'),) if guess else (),
    )


@rule("FLT102", "unconsumed-queue", "warning", reads=("all workers.queues", "all workers.replicas"))
def unconsumed_queue(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A queue that no worker group consumes.

    Messages sent to it wait forever, and the broker fills up. Either a group has to take it, or it
    is left over and can go. Dead-letter queues are meant to wait and are not reported, unless a route leads there: what
    is sent to one is a dead letter from the start.

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
    fed, taken, dead = {rule.queue for rule in fleet.routes}, consumed(fleet), keep_dead_letters(fleet)
    for name in fleet.queues:
        if name in taken or (name in dead and name not in fed):
            continue
        asleep = [g for g in consumers(fleet).get(name, ()) if most_replicas(fleet.workers[g]) == 0]
        why = f'its only group, "{asleep[0]}", has no replicas' if asleep else "no worker group consumes it"
        waiting = "what the routes send there waits forever" if name in fed else "messages in it wait forever"
        yield Finding(
            ("queues", name),
            f'queue "{name}": {why}, so {waiting}',
            help=f'replicas = 1 for the group "{asleep[0]}"'
            if asleep
            else f'add "{name}" to the `queues` of a group, or remove the queue',
        )
