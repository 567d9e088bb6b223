"""CPUs: what all CPU-bound groups together ask for."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Finding, Mark
from fleet.rules.registry import rule
from fleet.rules.view import count, cpu_bound, cpus, processes, times


@rule(
    "FLT401",
    "cpus-oversubscribed",
    "warning",
    varies=True,
    reads=("all workers.concurrency", "all workers.replicas", "all workers.pool", "all queues.workload"),
)
def cpus_oversubscribed(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """All CPU-bound groups together run more processes than there are CPUs.

    Each group fits by itself, but they run on the same machine. With more busy processes than CPUs
    none of the tasks finishes sooner; all of them take longer, and time limits start to hit. Groups
    that exceed the CPUs on their own are reported by FLT301.

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
    limit = machine.cpus.value
    groups = [(name, group, processes(group, machine)) for name, group in cpu_bound(fleet)]
    fitting = [each for each in groups if 0 < each[2] <= limit]
    total = sum(number for _, _, number in fitting)
    if total <= limit:
        return
    *others, (last, group, number) = fitting
    yield Finding(
        ("workers", last),
        f"the CPU-bound groups together run {count(total, 'process')} on {cpus(machine)}: "
        + " + ".join(f"{name} {number}" for name, _, number in fitting),
        label=f"{count(number, 'process')} ({times(group, machine)})",
        related=tuple(
            Mark(("workers", name), f"{count(number, 'process')} here") for name, _, number in others
        ),
        help=f"bring the sum down to {limit}, or give the fleet more CPUs",
    )


@rule("FLT407", "quota-below-visible-cpus", "info", varies=True, reads=("workers.env", "all queues.workload"))
def quota_below_visible_cpus(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """The CPU quota is below the CPUs that programs see.

    fleet counts the quota. Other libraries don't: numpy, PyTorch and OpenMP start as many threads as the
    host has CPUs, in each process, and a container that may use 2 of 64 CPUs is throttled with 64 threads
    on each of its tasks. Reported for groups with CPU-bound tasks that don't set OMP_NUM_THREADS. It is a
    remark, because it depends on where the check runs.

    Bad (quota of 2 CPUs on a host with 64):

        [queues.images]
        workload = "cpu"

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = "cpus"

    Good:

        [queues.images]
        workload = "cpu"

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = "cpus"
        env = { OMP_NUM_THREADS = "1" }
    """
    granted, visible = machine.cpus, machine.visible_cpus
    names = [name for name, group in cpu_bound(fleet) if not _limits_threads(group.env)]
    if granted.value >= visible or not names:
        return
    yield Finding(
        ("workers", names[0]),
        f"libraries that count CPUs see {visible}, but only {count(granted.value, 'CPU')} may be used "
        f"({granted.origin})",
        related=tuple(Mark(("workers", name), "here, too") for name in names[1:]),
        help='env = { OMP_NUM_THREADS = "1" } keeps numpy and its like to one thread per process',
    )


def _limits_threads(env: dict[str, str]) -> bool:
    return any(name.endswith("_NUM_THREADS") for name in env)


@rule(
    "FLT408",
    "idle-cpus",
    "info",
    varies=True,
    reads=("all workers.concurrency", "all workers.replicas", "all workers.pool", "all queues.workload"),
)
def idle_cpus(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """The CPU-bound groups use less than half of the CPUs.

    Even with all of them busy, more than half of the machine has nothing to do. That may be meant (other programs,
    headroom): it is a remark, and made only where [machine] or `--cpus` says which machine is meant.

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
        (name, processes(group, machine)) for name, group in cpu_bound(fleet) if group.pool != "threads"
    ]
    total, there = sum(number for _, number in groups), machine.cpus
    if not there.stated or not total or total * 2 >= there.value:
        return
    yield Finding(
        ("workers", groups[-1][0]),
        f"the CPU-bound groups run {count(total, 'process')} on {cpus(machine)}: "
        f"{there.value - total} have nothing to do",
        related=tuple(
            Mark(("workers", name), f"{count(number, 'process')} here") for name, number in groups[:-1]
        ),
        help='concurrency = "cpus-1" follows the machine, if its CPUs are for this',
    )
