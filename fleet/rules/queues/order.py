"""The order in which a group takes from its queues."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet, WorkerGroup
from fleet.machine import Machine
from fleet.rules.consumption_facts import most_replicas
from fleet.rules.finding import Change, Finding, KeyPath
from fleet.rules.registry import rule
from fleet.rules.words import listed


@rule(
    "FLT118",
    "starving-queue",
    "warning",
    fix="unsafe",
    reads=("workers.queue_order", "all workers.queues", "all workers.replicas"),
)
def starving_queue(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`queue_order = "strict"` where later queues are left to chance.

    With "strict" a worker takes from a queue only when all earlier ones are empty. As long as an earlier queue
    gets messages as fast as the group does them, the later ones stand still, for hours if need be, and nothing
    fails. That may be meant, for work that can wait; mostly it is a flood away from an incident. With
    "weighted", the default, earlier queues get more and none stands still: of three 3, 2 and 1 of six.

    A queue that another group takes first, or with "weighted", gets on anyhow and is not reported.

    Bad:

        [workers.mail]
        queues = ["urgent", "mail"]
        queue_order = "strict"
        pool = "gevent"
        concurrency = 200

    Good:

        [workers.mail]
        queues = ["urgent", "mail"]
        queue_order = "weighted"
        pool = "gevent"
        concurrency = 200
    """
    safe = {queue for group in fleet.workers.values() if most_replicas(group) for queue in _gets_on(group)}
    for name, group in fleet.workers.items():
        first, *later = dict.fromkeys(group.queues)
        starving = [queue for queue in later if queue not in safe]
        if group.queue_order != "strict" or not most_replicas(group) or not starving:
            continue
        path: KeyPath = ("workers", name, "queue_order")
        waits = "waits" if len(starving) == 1 else "wait"
        yield Finding(
            path,
            f'group "{name}" takes all of `{first}` first: {listed(starving)} {waits} until '
            + (f"`{first}` is empty" if len(later) == 1 else "all earlier queues are empty")
            + ", under load for ever",
            help='queue_order = "weighted", or a group of their own for the later queues',
            steps=(Change(path, '"weighted"'),),
        )


def _gets_on(group: WorkerGroup) -> tuple[str, ...]:
    """The queues of the group that are taken from whatever the others have."""
    return group.queues if group.queue_order == "weighted" else group.queues[:1]
