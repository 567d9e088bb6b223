"""How many at once: too many processes, too few green threads, numbers that follow the host."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Add, Change, Drop, Finding, Mark
from fleet.rules.pools.absurd import is_absurd
from fleet.rules.registry import rule
from fleet.rules.view import (
    GREEN,
    count,
    cpus,
    most_replicas,
    origin_note,
    processes,
    queues_with,
    slots,
    times,
)

SIZE_READS = ("workers.pool", "workers.concurrency", "workers.replicas")


@rule(
    "FLT301",
    "more-processes-than-cpus",
    "warning",
    varies=True,
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
            help=f"concurrency = {each}" if fits else f"at most {count(limit, 'replica')} of concurrency 1",
            notes=("its tasks are CPU-bound: beyond the CPU count they only take turns",) if bound else (),
            severity="error" if bound else None,
            steps=(step,) if fits else (),
        )


@rule(
    "FLT302",
    "green-pool-default-concurrency",
    "error",
    fix="unsafe",
    reads=("workers.pool", "workers.concurrency"),
)
def green_pool_default_concurrency(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """A green pool is left at the default concurrency.

    The default is the CPU count, whatever the pool. That is sensible for prefork and close to
    stupid for gevent and eventlet: green threads spend their time waiting, and how many can wait
    at once has nothing to do with CPUs. Hundreds or thousands are normal; the limit is what the
    services that the tasks call can take.

    Bad:

        [workers.http]
        queues = ["http"]
        pool = "gevent"

    Good:

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 500
    """
    for name, group in fleet.workers.items():
        if group.pool in GREEN and group.concurrency is None:
            number = count(slots(group, machine), "green thread")
            yield Finding(
                ("workers", name),
                f"{group.pool} pool without `concurrency`: would run {number}, the CPU count",
                label=origin_note(machine.cpus, "CPU"),
                help="say how many tasks may wait at once, for example concurrency = 500",
                notes=("how many can wait has nothing to do with CPUs: hundreds or thousands are normal",),
                steps=(Add(("workers", name), "concurrency", "500"),),
            )


@rule("FLT303", "green-pool-too-small", "warning", varies=True, reads=("workers.pool", "workers.concurrency"))
def green_pool_too_small(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """A green pool with hardly more green threads than there are CPUs.

    Green threads are for tasks that wait, and a thousand of them cost little. A number near the CPU
    count is mostly a habit from prefork: the worker then idles while messages queue up. If so few
    are meant, to be gentle with a service, say so: `# fleet: ignore[FLT303] the API allows 10`.

    Bad (8 CPUs):

        [machine]
        cpus = 8

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 8

    Good:

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 500
    """
    for name, group in fleet.workers.items():
        number = slots(group, machine)
        if group.pool in GREEN and group.concurrency is not None and number <= 2 * machine.cpus.value:
            yield Finding(
                ("workers", name, "concurrency"),
                f"{group.pool} pool with {count(number, 'green thread')}, hardly more than {cpus(machine)}: "
                "it idles while its tasks wait",
                help="hundreds or thousands are normal; if a service allows no more, note it: "
                "# fleet: ignore[FLT303] why",
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
