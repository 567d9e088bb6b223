"""Threads that libraries start by themselves in each process: against the CPUs that there are."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.consumption_facts import TAKING_TURNS, count, cpu_bound, cpus, processes
from fleet.rules.finding import Finding, Mark
from fleet.rules.registry import rule

_MOST = 8


@rule(
    "FLT407",
    "quota-below-visible-cpus",
    "info",
    varies=True,
    sized=True,
    reads=("workers.env", "all queues.workload"),
)
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
        related=tuple(Mark(("workers", name), "here, too") for name in names[1:_MOST]),
        help='env = { OMP_NUM_THREADS = "1" } keeps numpy and its like to one thread per process',
    )


def threads_of(env: dict[str, str]) -> int:
    """CPUs that one process keeps busy, as far as the file says it: numpy, PyTorch and OpenMP read a variable."""
    numbers = [int(text) for name, text in env.items() if name.endswith("_NUM_THREADS") and text.isdecimal()]
    return max(1, *numbers) if numbers else 1


def _limits_threads(env: dict[str, str]) -> bool:
    return any(name.endswith("_NUM_THREADS") for name in env)


@rule(
    "FLT409",
    "threads-oversubscribed",
    "warning",
    varies=True,
    sized=True,
    reads=("workers.env", "workers.pool", "workers.concurrency", "workers.replicas", "all queues.workload"),
)
def threads_oversubscribed(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """Libraries start more threads in all processes of a group than there are CPUs.

    With `OMP_NUM_THREADS = "8"` numpy, PyTorch and their like compute with eight threads in each process. As many
    processes as CPUs then mean eight times as many busy threads, which take turns and cost more than they give. Either
    one process with many threads, or many with one.

    Bad (8 CPUs):

        [machine]
        cpus = 8

        [queues.images]
        workload = "cpu"

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 8
        env = { OMP_NUM_THREADS = "8" }

    Good:

        [queues.images]
        workload = "cpu"

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 8
        env = { OMP_NUM_THREADS = "1" }
    """
    limit = machine.cpus.value
    for name, group in cpu_bound(fleet):
        number, threads = processes(group, machine), threads_of(group.env)
        if group.pool in TAKING_TURNS or threads == 1 or not 0 < number <= limit or number * threads <= limit:
            continue  # FLT307; FLT301 says more
        variable = next(key for key in group.env if key.endswith("_NUM_THREADS"))
        yield Finding(
            ("workers", name, "env", variable),
            f'group "{name}" runs {count(number, "process")} with {threads} threads each: {number * threads} on '
            f"{cpus(machine)}",
            related=(Mark(("workers", name, "concurrency"), f"{count(number, 'process')}"),),
            help=f'{variable} = "{max(1, limit // number)}"'
            if limit // number < threads
            else "fewer processes",
        )
