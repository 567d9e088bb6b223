"""Numbers of processes or threads at once: more than CPUs, where they mean nothing, those that follow the host."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.consumption_facts import (
    count,
    cpus,
    most_replicas,
    origin_note,
    processes,
    queues_with,
    slots,
    times,
)
from fleet.rules.finding import Add, Change, Drop, Finding, Mark
from fleet.rules.pools.absurd import is_absurd
from fleet.rules.registry import rule

SIZE_READS = ("workers.pool", "workers.concurrency", "workers.replicas")


@rule(
    "FLT301",
    "more-processes-than-cpus",
    "warning",
    varies=True,
    sized=True,
    fix="unsafe",
    reads=(*SIZE_READS, "workers.queues"),
)
def more_processes_than_cpus(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """A prefork group runs more processes than there are CPUs.

    Prefork is for CPU-bound tasks, and a CPU runs one process at a time. Beyond the CPU count more
    processes do not do more: they take turns, tasks take longer, and each costs its memory. On a
    machine that has other work even as many as CPUs can be too many. It is an error where the queue
    says `workload = "cpu"`. The number of processes is concurrency times replicas (when scaling by load:
    the most replicas).

    Bad (8 CPUs):

        [machine]
        cpus = 8

        [queues.images]
        workload = "cpu"

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 8
        replicas = 2

    Good:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        replicas = 2
    """
    limit = machine.cpus.value
    for name, group in fleet.workers.items():
        total, replicas = processes(group, machine), most_replicas(group)
        if group.pool != "prefork" or total <= limit or is_absurd(group, machine):
            continue
        if queues_with(fleet, group, "io") and not queues_with(fleet, group, "cpu"):
            continue  # waiting takes no CPU; FLT306 says what is wrong with it
        each = max(1, limit // replicas)
        fits = each * replicas <= limit
        path = ("workers", name, "concurrency")
        step = Change(path, str(each)) if group.concurrency is not None else Add(path[:2], path[2], str(each))
        bound = queues_with(fleet, group, "cpu")
        default = " by default" if group.concurrency is None else ""
        yield Finding(
            path if group.concurrency is not None else path[:2],
            f'group "{name}" runs {count(total, "process")}{default}, more than {cpus(machine)}',
            label=f"{times(group, machine)} = {total:,}"
            if replicas != 1
            else origin_note(machine.cpus, "CPU"),
            related=(Mark(("workers", name, "replicas"), f"{count(replicas, 'replica')}"),)
            if replicas != 1 and group.concurrency is not None
            else (),
            help=f"concurrency = {each}"
            if fits
            else f"concurrency = 1, and at most {count(limit, 'replica')}",
            notes=("its tasks are CPU-bound: beyond the CPU count they only take turns",) if bound else (),
            severity="error" if bound else None,
            steps=(step,) if fits else (),
        )


@rule("FLT304", "concurrency-on-solo", "warning", fix="safe", reads=("workers.pool",))
def concurrency_on_solo(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`concurrency` on a solo pool.

    Solo has no pool: the task runs in the worker itself, one after the other, so concurrency means
    nothing. To run more at once use more replicas.

    Bad:

        [workers.batch]
        queues = ["batch"]
        pool = "solo"
        concurrency = 4

    Good:

        [workers.batch]
        queues = ["batch"]
        pool = "solo"
        replicas = 4
    """
    for name, group in fleet.workers.items():
        if group.pool == "solo" and group.concurrency is not None:
            path = ("workers", name, "concurrency")
            wanted = group.concurrency if isinstance(group.concurrency, int) else None
            more = (
                f"remove it; for {wanted} at once: replicas = {wanted}"
                if wanted not in (None, 1)
                else "remove it"
            )
            yield Finding(
                path,
                "`concurrency` means nothing on a solo pool: it runs one task at a time",
                part="key",
                help=more,
                steps=(Drop(path),),
                safe=True,
            )


@rule("FLT305", "concurrency-depends-on-host", "warning", fix="unsafe", reads=SIZE_READS)
def concurrency_depends_on_host(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """A prefork or threads pool without `concurrency`.

    It then runs as many as the machine has CPUs: another number on each host, and another one after
    the next move. Memory, connections and what the tasks call are sized by a number that stands
    nowhere. Write it down; `concurrency = "cpus"` says that following the machine is meant.

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "prefork"

    Good:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = "cpus"
    """
    nouns = {"prefork": "process", "threads": "thread"}
    for name, group in fleet.workers.items():
        if group.pool not in nouns or group.concurrency is not None:
            continue
        if group.pool == "prefork" and processes(group, machine) > machine.cpus.value:
            continue  # FLT301 says more
        yield Finding(
            ("workers", name),
            f"{group.pool} pool without `concurrency`: depends on the host, "
            f"{count(slots(group, machine), nouns[group.pool])} on {cpus(machine)}",
            help='concurrency = "cpus" if that is meant, else a number',
            steps=(Add(("workers", name), "concurrency", '"cpus"'),),
        )
