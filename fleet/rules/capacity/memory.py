"""Memory: what all groups together may take, and what keeps a leak small."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet, WorkerGroup, format_size
from fleet.machine import Machine
from fleet.rules.consumption_facts import TIMES, most_replicas, of_hosts, slots
from fleet.rules.finding import Finding, Mark
from fleet.rules.pools.absurd import is_absurd
from fleet.rules.registry import rule
from fleet.rules.words import cut

_MOST = 8

MEMORY_READS = (
    *("all workers.max_memory", "all workers.concurrency", "all workers.replicas", "all workers.pool"),
    "all workers.on",
)


@rule("FLT402", "memory-oversubscribed", "error", varies=True, sized=True, reads=MEMORY_READS)
def memory_oversubscribed(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """The memory limits of all groups together exceed the machine's memory.

    `max_memory` is what one process that runs tasks may hold before it is replaced: times concurrency for
    prefork, times replicas for all. If all of them may hold more than there is, the machine swaps or the
    kernel kills a process of its own choice before any limit is reached. Groups without `max_memory` are
    not counted, and groups that `on` sends to other hosts are counted apart.

    Bad (16 GiB):

        [machine]
        memory = "16GiB"

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 8
        max_memory = "4GiB"

    Good:

        [machine]
        memory = "16GiB"

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 8
        max_memory = "1.5GiB"
    """
    yield from of_hosts(fleet, lambda names: _too_much(_limited(fleet, machine, names), machine))


def _too_much(groups: list[tuple[str, WorkerGroup]], machine: Machine) -> Finding | None:
    total, there = sum(_all(group, machine) for _, group in groups), machine.memory
    if total <= there.value:
        return None
    *others, (last, _) = groups
    parts = cut([f"{name} {_product(group, machine)}" for name, group in groups], " + ")
    return Finding(
        ("workers", last, "max_memory"),
        f"the memory limits allow {format_size(total)} together, more than {_memory(machine)}: {parts}",
        related=tuple(
            Mark(("workers", name, "max_memory"), _product(group, machine)) for name, group in others[:_MOST]
        ),
        help="lower `max_memory`, `concurrency` or `replicas`; or say in [machine] what production has",
    )


@rule(
    "FLT403",
    "leaks-unbounded",
    "warning",
    reads=("workers.pool", "workers.max_memory", "workers.max_tasks", "workers.max_age"),
)
def leaks_unbounded(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A prefork group whose processes are never replaced.

    Prefork children live as long as the worker, and what leaks or fragments in them (C extensions, caches)
    grows for weeks, in each of them. `max_tasks`, `max_memory` or `max_age` replaces a child between two tasks,
    which costs milliseconds.

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4

    Good:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        max_tasks = 10_000
    """
    for name, group in fleet.workers.items():
        if group.pool == "prefork" and not (group.max_memory or group.max_tasks or group.max_age):
            yield Finding(
                ("workers", name),
                f'group "{name}": its processes are never replaced, so that leaks grow without bound',
                help='max_tasks = 10_000, or max_memory = "512MiB"',
            )


@rule(
    "FLT406",
    "surge-without-memory",
    "warning",
    varies=True,
    sized=True,
    reads=(*MEMORY_READS, "rollout.max_surge"),
)
def surge_without_memory(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """`max_surge` needs memory that is not there.

    During a rollout so many workers run beside the old ones. If the limits of all groups already fill the
    machine, the rollout is what makes it swap. `max_unavailable = 1` with `max_surge = 0` replaces
    workers one after the other in the memory that there is.

    Bad (16 GiB):

        [machine]
        memory = "16GiB"

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 8
        max_memory = "2GiB"

    Good:

        [machine]
        memory = "16GiB"

        [rollout]
        max_surge = 0
        max_unavailable = 1

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 8
        max_memory = "2GiB"
    """
    yield from of_hosts(fleet, lambda names: _no_room(fleet, machine, _limited(fleet, machine, names)))


def _no_room(fleet: Fleet, machine: Machine, groups: list[tuple[str, WorkerGroup]]) -> Finding | None:
    surge, there = fleet.rollout.max_surge, machine.memory.value
    total = sum(_all(group, machine) for _, group in groups)
    if not groups or not surge or total > there:
        return None
    biggest, group = max(groups, key=lambda each: _one(each[1], machine))
    more = surge * _one(group, machine)
    if total + more <= there:
        return None
    is_said = "max_surge" in fleet.rollout.said
    here = Mark(("workers", biggest, "max_memory"), f"{format_size(_one(group, machine))} for each worker")
    return Finding(
        ("rollout", "max_surge") if is_said else here.path,
        f'a rollout of "{biggest}" needs {format_size(more)} for max_surge = {surge}'
        f"{'' if is_said else ' (the default)'} on top of {format_size(total)}: more than {_memory(machine)}",
        related=(here,) if is_said else (),
        about=(("workers", biggest),),
        help="[rollout] max_surge = 0 with max_unavailable = 1 needs no more memory",
    )


def _limited(fleet: Fleet, machine: Machine, names: set[str]) -> list[tuple[str, WorkerGroup]]:
    return [
        (name, group)
        for name, group in fleet.workers.items()
        if name in names and group.max_memory and most_replicas(group) and not is_absurd(group, machine)
    ]


def _one(group: WorkerGroup, machine: Machine) -> int:
    """What one worker with its children may hold, in bytes."""
    return (group.max_memory or 0) * (slots(group, machine) if group.pool == "prefork" else 1)


def _all(group: WorkerGroup, machine: Machine) -> int:
    return _one(group, machine) * most_replicas(group)


def _product(group: WorkerGroup, machine: Machine) -> str:
    """ "4 times 512MiB", with a sign."""
    number = (slots(group, machine) if group.pool == "prefork" else 1) * most_replicas(group)
    return f"{number} {TIMES} {format_size(group.max_memory or 0)}"


def _memory(machine: Machine) -> str:
    """ "16GiB (--memory)"."""
    return f"{format_size(machine.memory.value)} ({machine.memory.origin})"
