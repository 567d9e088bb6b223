"""CPUs: what all CPU-bound groups together ask for."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.capacity.threads import threads_of
from fleet.rules.consumption_facts import (
    TAKING_TURNS,
    count,
    cpu_bound,
    cpus,
    most_replicas,
    of_hosts,
    processes,
    times,
)
from fleet.rules.finding import Finding, Mark
from fleet.rules.registry import rule
from fleet.rules.words import cut

_MOST = 8


@rule(
    "FLT401",
    "cpus-oversubscribed",
    "warning",
    varies=True,
    sized=True,
    reads=(
        *("all workers.concurrency", "all workers.replicas", "all workers.pool", "all workers.on"),
        "all queues.workload",
    ),
)
def cpus_oversubscribed(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """All CPU-bound groups together run more processes than there are CPUs.

    Each group fits by itself, but they run on the same machine. With more busy processes than CPUs
    none of the tasks finishes sooner; all of them take longer, and time limits start to hit. Groups
    that exceed the CPUs on their own are reported by FLT301, and groups that `on` sends to other hosts are
    counted apart.

    Bad (8 CPUs):

        [machine]
        cpus = 8

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 6

        [workers.reports]
        queues = ["reports"]
        pool = "prefork"
        concurrency = 4

    Good:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 5

        [workers.reports]
        queues = ["reports"]
        pool = "prefork"
        concurrency = 3
    """
    yield from of_hosts(fleet, lambda names: _too_many(fleet, machine, names))


def _too_many(fleet: Fleet, machine: Machine, names: set[str]) -> Finding | None:
    limit = machine.cpus.value
    groups = [(name, group, processes(group, machine)) for name, group in cpu_bound(fleet) if name in names]
    fitting = [each for each in groups if 0 < each[2] <= limit]
    total = sum(number for _, _, number in fitting)
    if total <= limit:
        return None
    *others, (last, group, number) = fitting
    return Finding(
        ("workers", last),
        f"the CPU-bound groups together run {count(total, 'process')} on {cpus(machine)}: "
        + cut([f"{name} {number}" for name, _, number in fitting], " + "),
        label=f"{count(number, 'process')}, {times(group, machine)}"
        if most_replicas(group) != 1
        else count(number, "process"),
        related=tuple(
            Mark(("workers", name), f"{count(number, 'process')} here") for name, _, number in others[:_MOST]
        ),
        help=f"bring the sum down to {limit}, or give the fleet more CPUs",
    )


@rule(
    "FLT408",
    "idle-cpus",
    "info",
    varies=True,
    sized=True,
    reads=(
        "all workers.concurrency",
        "all workers.replicas",
        "all workers.pool",
        "all workers.singleton",
        "all queues.workload",
    ),
)
def idle_cpus(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """The CPU-bound groups use less than half of the CPUs.

    Even with all of them busy, more than half of the machine has nothing to do. That may be meant (other programs,
    headroom): it is a remark, and made only where [machine] or `--cpus` says which machine is meant. Of singletons
    nothing is said: they are meant to be alone.

    Bad (8 CPUs):

        [machine]
        cpus = 8

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 2

    Good:

        [machine]
        cpus = 8

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = "cpus-1"
    """
    groups = [
        (name, processes(group, machine) * threads_of(group.env))
        for name, group in cpu_bound(fleet)
        if group.pool not in ("threads", *TAKING_TURNS)
    ]
    total, there = sum(number for _, number in groups), machine.cpus
    groups = [(name, number) for name, number in groups if not fleet.workers[name].singleton]
    if not there.stated or not groups or not total or total * 2 >= there.value:
        return
    yield Finding(
        ("workers", groups[-1][0]),
        f"the CPU-bound groups run {count(total, 'process')} on {cpus(machine)}: "
        f"{there.value - total} have nothing to do",
        related=tuple(
            Mark(("workers", name), f"{count(number, 'process')} here")
            for name, number in groups[:-1][:_MOST]
        ),
        help='concurrency = "cpus-1" uses all CPUs but one; nothing to do if other programs need them',
    )
