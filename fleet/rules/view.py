"""What several checks ask of a fleet: what a group really runs and consumes, and numbers in words."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from fleet.config.model import Fleet, Queue, WorkerGroup
from fleet.machine import Amount, Machine
from fleet.rules.words import nearest

TIMES = "\N{MULTIPLICATION SIGN}"
GREEN = ("gevent", "eventlet")


def meant(fleet: Fleet, queue: str) -> str | None:
    """The declared queue that `queue` names, or that it was probably meant to name."""
    if queue in fleet.queues:
        return queue
    return nearest(queue, fleet.queues, cutoff=0.7)


def consumed(fleet: Fleet) -> set[str]:
    """Declared queues that some group with a replica takes messages from."""
    return {
        name
        for group in fleet.workers.values()
        if most_replicas(group) > 0
        for queue in group.queues
        if (name := meant(fleet, queue))
    }


def dead_letters(fleet: Fleet) -> set[str]:
    """Names of queues that others put their dead messages into."""
    return {target for name, queue in fleet.queues.items() if (target := dead_letter(name, queue))}


def dead_letter(name: str, queue: Queue) -> str | None:
    """Where dead messages of the queue go."""
    if queue.dead_letter is False:
        return None
    return queue.dead_letter if isinstance(queue.dead_letter, str) else f"{name}.dead"


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


def roughly(duration: timedelta) -> str:
    """For people, without false precision: "90s", "45m", "6h", "3d"."""
    seconds = duration.total_seconds()
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length):,}{unit}"
    return f"{round(seconds)}s"


def times(group: WorkerGroup, machine: Machine) -> str:
    """Concurrency times replicas; just the concurrency for one replica."""
    replicas, each = most_replicas(group), slots(group, machine)
    return f"{each:,} {TIMES} {replicas:,} replicas" if replicas != 1 else f"{each:,}"
