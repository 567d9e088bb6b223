"""The view of a fleet that several checks share: what a group really runs and consumes, and numbers in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary

from fleet.config.model import Fleet, Queue, WorkerGroup
from fleet.machine import Amount, Machine
from fleet.rules.did_you_mean import Names
from fleet.rules.finding import Finding

TIMES = "\N{MULTIPLICATION SIGN}"
GREEN = ("gevent", "eventlet")
TAKING_TURNS = (*GREEN, "asyncio")
"""Pools of one process whose tasks take turns where they wait."""


T = TypeVar("T")


def once(function: Callable[[Fleet], T]) -> Callable[[Fleet], T]:
    """Several rules ask the same of one fleet, some for each of its queues: it is worked out once."""
    known: WeakKeyDictionary[Fleet, Any] = WeakKeyDictionary()

    @wraps(function)
    def ask(fleet: Fleet) -> T:
        if fleet not in known:
            known[fleet] = function(fleet)
        return cast("T", known[fleet])

    return ask


@once
def _queue_names(fleet: Fleet) -> Names:
    return Names(fleet.queues)


def meant(fleet: Fleet, queue: str) -> str | None:
    """The declared queue that `queue` names, or that it was probably meant to name."""
    if queue in fleet.queues:
        return queue
    return _queue_names(fleet).nearest(queue, cutoff=0.7)


@once
def consumers(fleet: Fleet) -> dict[str, tuple[str, ...]]:
    """Declared queue → the groups that name it, replicas or none; queues that nobody names are left out."""
    found: dict[str, dict[str, None]] = {}
    for name, group in fleet.workers.items():
        for queue in group.queues:
            if known := meant(fleet, queue):
                found.setdefault(known, {})[name] = None
    return {queue: tuple(groups) for queue, groups in found.items()}


@once
def consumed(fleet: Fleet) -> set[str]:
    """Declared queues that some group with a replica takes messages from."""
    return {
        name
        for group in fleet.workers.values()
        if most_replicas(group) > 0
        for queue in group.queues
        if (name := meant(fleet, queue))
    }


@once
def dead_letters(fleet: Fleet) -> set[str]:
    """Names of queues that fleet puts the dead messages of others into, declared or not."""
    return {target for name, queue in fleet.queues.items() if (target := queue.dead_letter_queue(name))}


@once
def keep_dead_letters(fleet: Fleet) -> set[str]:
    """As `dead_letters`, and the declared queues that get what RabbitMQ itself gives up, by x-dead-letter-exchange."""
    bound: dict[str, list[str]] = {}
    for name, queue in fleet.queues.items():
        bound.setdefault(queue.exchange, []).append(name)
    found = set(dead_letters(fleet))
    for exchange, key, own in {_dead_lettering(queue) for queue in fleet.queues.values()}:
        if exchange == "":
            found |= {key} & fleet.queues.keys()
        elif exchange != own:
            found |= set(bound.get(exchange, ()))
    return found


def _dead_lettering(queue: Queue) -> tuple[str, str, str]:
    """(exchange for dead letters, their routing key, the queue's own exchange)."""
    exchange, key = (queue.arguments.get(f"x-dead-letter-{what}") for what in ("exchange", "routing-key"))
    is_said = isinstance(exchange, str) and isinstance(key, str | None)
    return (str(exchange), key or "", queue.exchange) if is_said else ("", "", "")


@once
def is_guesswork(fleet: Fleet) -> bool:
    """Some group or route names a queue that nobody can make out: what is left over may be that one."""
    names = [queue for group in fleet.workers.values() for queue in group.queues]
    return any(meant(fleet, name) is None for name in [*names, *(route.queue for route in fleet.routes)])


def queues_with(fleet: Fleet, group: WorkerGroup, workload: str) -> list[tuple[int, str]]:
    """(position in `queues`, name) of the group's queues with that workload."""
    names = [(index, meant(fleet, queue)) for index, queue in enumerate(group.queues)]
    return [(index, name) for index, name in names if name and fleet.queues[name].workload == workload]


def is_mixed(fleet: Fleet, group: WorkerGroup) -> bool:
    return bool(queues_with(fleet, group, "cpu") and queues_with(fleet, group, "io"))


def most_replicas(group: WorkerGroup) -> int:
    return group.replica_bounds()[1]


def slots(group: WorkerGroup, machine: Machine) -> int:
    """What one worker of the group runs at once."""
    return group.slots(machine.cpus.value)


def processes(group: WorkerGroup, machine: Machine) -> int:
    """Processes of the group that can keep a CPU busy: pool children, or the workers themselves."""
    each = slots(group, machine) if group.pool == "prefork" else 1
    return each * most_replicas(group)


def cpu_bound(fleet: Fleet) -> Iterator[tuple[str, WorkerGroup]]:
    """Groups with a queue of CPU-bound tasks."""
    for name, group in fleet.workers.items():
        if queues_with(fleet, group, "cpu"):
            yield name, group


def of_hosts(fleet: Fleet, look: Callable[[set[str]], Finding | None]) -> Iterator[Finding]:
    """What `look` finds for the groups of each kind of host that the file speaks of: `on` parts them.

    Groups without `on` run everywhere. What is found for a host is not said again for one with more labels.
    """
    kinds = sorted({(), *(tuple(sorted(group.on)) for group in fleet.workers.values())}, key=len)
    found: list[set[str]] = []
    for labels in map(set, kinds):
        names = {name for name, group in fleet.workers.items() if set(group.on) <= labels}
        if not any(each <= labels for each in found) and (finding := look(names)):
            found.append(labels)
            yield finding


def cpus(machine: Machine) -> str:
    """ "8 CPUs (--cpus)"."""
    return f"{count(machine.cpus.value, 'CPU')} ({machine.cpus.origin})"


def origin_note(amount: Amount, noun: str) -> str:
    """ "8 CPUs: --cpus"."""
    return f"{count(amount.value, noun)}: {amount.origin}"


def count(number: int, noun: str) -> str:
    """ "1 CPU", "2 CPUs", "1,200 processes", "3 retries"."""
    plural = noun[:-1] + "ies" if noun.endswith("ry") else noun + ("es" if noun.endswith("s") else "s")
    return f"{number:,} {noun if number == 1 else plural}"


def a(noun: str) -> str:
    """ "a gevent", "an eventlet"."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def roughly(duration: timedelta) -> str:
    """For people, without false precision: "90s", "45m", "6h", "3d"."""
    seconds = duration.total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length):,}{unit}"
    return f"{round(seconds)}s"


def turn_taker(group: WorkerGroup) -> str:
    """What runs one task of such a pool."""
    return "coroutine" if group.pool == "asyncio" else "green thread"


def times(group: WorkerGroup, machine: Machine) -> str:
    """Concurrency times replicas; just the concurrency for one replica."""
    replicas, each = most_replicas(group), slots(group, machine)
    return f"{each:,} {TIMES} {replicas:,} replicas" if replicas != 1 else f"{each:,}"
