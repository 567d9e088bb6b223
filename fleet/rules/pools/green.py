"""Numbers of green threads and coroutines at once, that CPUs have nothing to do with."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.consumption_facts import (
    TAKING_TURNS,
    a,
    count,
    origin_note,
    queues_with,
    slots,
    turn_taker,
)
from fleet.rules.finding import Add, Finding
from fleet.rules.registry import rule

# Up to so many green threads may have been counted by CPUs; a larger number was chosen.
_A_HABIT = 32
_USUAL = 200


@rule(
    "FLT302",
    "green-pool-default-concurrency",
    "error",
    fix="unsafe",
    reads=("workers.pool", "workers.concurrency"),
)
def green_pool_default_concurrency(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """A pool for tasks that wait is left at the default concurrency.

    The default is the CPU count, whatever the pool. That is sensible for prefork and close to
    stupid for gevent, eventlet and asyncio: green threads and coroutines spend their time waiting, and
    how many can wait at once has nothing to do with CPUs. Hundreds or thousands are normal; the limit is what the
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
        if group.pool in TAKING_TURNS and group.concurrency is None:
            number = count(slots(group, machine), turn_taker(group))
            yield Finding(
                ("workers", name),
                f"{group.pool} pool without `concurrency`: would run {number}, the CPU count",
                label=origin_note(machine.cpus, "CPU"),
                help="say how many tasks may wait at once, for example concurrency = 500",
                notes=("how many can wait has nothing to do with CPUs: hundreds or thousands are normal",),
                steps=(Add(("workers", name), "concurrency", "500"),),
            )


@rule(
    "FLT303",
    "green-pool-too-small",
    "warning",
    varies=True,
    sized=True,
    reads=(
        "workers.pool",
        "workers.concurrency",
        "workers.queues",
        "all queues.workload",
        "workers.singleton",
    ),
)
def green_pool_too_small(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """A gevent, eventlet or asyncio pool with hardly more slots than there are CPUs.

    Green threads and coroutines are for tasks that wait, and a thousand of them cost little. A number near the CPU
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
        if group.pool not in TAKING_TURNS or group.concurrency is None or group.singleton:
            continue
        if queues_with(fleet, group, "cpu"):
            continue  # FLT307: more of them would make it worse
        follows = isinstance(group.concurrency, str)
        if follows or number <= min(2 * machine.cpus.value, _A_HABIT):
            yield Finding(
                ("workers", name, "concurrency"),
                f'group "{name}" lets only {count(number, "task")} wait at once, as if they needed CPUs '
                f"({machine.cpus.origin}: {machine.cpus.value:,}); {a(group.pool)} pool holds hundreds at the same "
                "cost",
                help=f"concurrency = {_USUAL} or so; if a service allows no more, note it: "
                "# fleet: ignore[FLT303] why",
            )
