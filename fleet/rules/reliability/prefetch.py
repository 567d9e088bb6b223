"""Deliveries that a worker holds, against those that it can run at once."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from fleet.config.model import Fleet, format_duration
from fleet.machine import Machine
from fleet.rules.consumption_facts import TAKING_TURNS, count, queues_with, roughly, slots
from fleet.rules.finding import Change, Finding, KeyPath, Mark
from fleet.rules.registry import rule

_FAR_ABOVE = 4
_LONG = timedelta(seconds=60)


@rule(
    "FLT501",
    "hoarding-prefetch",
    "warning",
    fix="unsafe",
    reads=("workers.pool", "workers.concurrency", "workers.prefetch", "workers.time_limit"),
)
def hoarding_prefetch(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """`prefetch` far above the concurrency, with tasks that may take long.

    Deliveries beyond `concurrency` wait inside the worker, where no other worker can get them. With long
    tasks they wait for hours while other workers idle, and a kill sends all of them round again. Short
    tasks profit from a large prefetch, which is why only limits of a minute and more are reported;
    "auto" follows the pool.

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        prefetch = 100
        time_limit = "5m"

    Good:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        prefetch = "auto"
        time_limit = "5m"
    """
    for name, group in fleet.workers.items():
        limit, held, at_once = (
            group.time_limit or group.soft_time_limit,
            group.prefetch,
            slots(group, machine),
        )
        if limit is None or limit < _LONG or not isinstance(held, int) or held < _FAR_ABOVE * at_once:
            continue
        wait = timedelta(seconds=round((held // at_once - 1) * limit.total_seconds()))
        path: KeyPath = ("workers", name, "prefetch")
        yield Finding(
            path,
            f'group "{name}" holds {count(held, "delivery")} and runs {at_once:,} at once: with tasks of up to '
            f"{format_duration(limit)} the last one waits up to {roughly(wait)} where no idle worker can get it",
            help='prefetch = "auto"',
            steps=(Change(path, '"auto"'),),
        )


@rule(
    "FLT513",
    "prefetch-below-concurrency",
    "warning",
    varies=True,
    fix="unsafe",
    reads=("workers.pool", "workers.concurrency", "workers.prefetch"),
)
def prefetch_below_concurrency(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """`prefetch` below the concurrency: the rest of the pool never has anything to do.

    `prefetch` is how many deliveries a worker holds, those that run included. With 1 and a concurrency of 100, one
    task runs at a time and 99 green threads wait for ever. "auto" follows the pool.

    Bad:

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 100
        prefetch = 1

    Good:

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 100
        prefetch = "auto"
    """
    for name, group in fleet.workers.items():
        held, at_once = group.prefetch, slots(group, machine)
        if not isinstance(held, int) or held >= at_once or group.concurrency is None:
            continue
        if group.pool in TAKING_TURNS and queues_with(fleet, group, "cpu"):
            continue  # FLT307 says more
        path: KeyPath = ("workers", name, "prefetch")
        yield Finding(
            path,
            f'group "{name}": a worker could run {at_once:,} tasks at once, but its `prefetch` lets it hold {held:,}',
            related=(Mark(("workers", name, "concurrency"), "what the pool could run"),),
            help='prefetch = "auto", or a smaller concurrency',
            steps=(Change(path, '"auto"'),),
        )
