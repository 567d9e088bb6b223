"""Time limits that a pool can't keep."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet, format_duration
from fleet.machine import Machine
from fleet.rules.consumption_facts import a
from fleet.rules.finding import Finding, Mark
from fleet.rules.registry import rule

# Pool → what it can't break off.
_UNENFORCED = {"solo": ("time_limit",), "threads": ("time_limit", "soft_time_limit")}


@rule("FLT310", "unenforced-limit", "warning", reads=("workers.pool",))
def unenforced_limit(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A time limit that the pool can't enforce.

    A hard limit (`time_limit`) needs somebody outside of the task who ends it: prefork kills the child,
    gevent, eventlet and asyncio raise when the task next waits. Solo has nobody outside, and nothing in
    Python can break off a thread. A soft limit is raised inside the task; only threads can't do that. The
    line looks like protection, and a task that hangs still hangs.

    Bad:

        [workers.batch]
        queues = ["batch"]
        pool = "threads"
        concurrency = 8
        time_limit = "60s"

    Good:

        [workers.batch]
        queues = ["batch"]
        pool = "prefork"
        concurrency = 8
        time_limit = "60s"
    """
    for name, group in fleet.workers.items():
        for key in _UNENFORCED.get(group.pool, ()):
            limit = getattr(group, key)
            if limit is None:
                continue
            instead = (
                "soft_time_limit, or a timeout in the task"
                if group.pool == "solo"
                else "timeouts in the task"
            )
            yield Finding(
                ("workers", name, key),
                f'group "{name}": {a(group.pool)} pool can\'t enforce `{key}`; a task that hangs longer than '
                f"{format_duration(limit)} just goes on",
                related=(Mark(("workers", name, "pool"), "this pool can't interrupt a task"),),
                help=f"prefork enforces it, gevent and asyncio while the task waits; on this pool use {instead}",
            )


@rule(
    "FLT314",
    "solo-outlasts-drain",
    "warning",
    reads=("workers.pool", "workers.soft_time_limit", "workers.grace_period"),
)
def solo_outlasts_drain(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """Tasks on a solo pool that may take longer than the worker has time to drain.

    On solo the task is the worker: while it runs, the worker hears no command, be it pause, drain or
    inspect. If a task may take longer than `grace_period`, a rollout has to kill it, and its message is
    done a second time elsewhere. Other pools that are too slow for a drain are FLT505.

    Bad:

        [workers.batch]
        queues = ["batch"]
        pool = "solo"
        soft_time_limit = "10m"
        grace_period = "30s"

    Good:

        [workers.batch]
        queues = ["batch"]
        pool = "solo"
        soft_time_limit = "10m"
        grace_period = "11m"
    """
    for name, group in fleet.workers.items():
        limit = group.soft_time_limit
        if group.pool != "solo" or limit is None or limit <= group.grace_period:
            continue
        grace, is_said = format_duration(group.grace_period), "grace_period" in group.said
        yield Finding(
            ("workers", name, "soft_time_limit"),
            f'group "{name}": a task of up to {format_duration(limit)} holds the whole worker, and a drain '
            f"kills it after {grace}" + ("" if is_said else ", the default"),
            related=(Mark(("workers", name, "grace_period"), "a drain waits this long"),) if is_said else (),
            help=f'grace_period = "{format_duration(limit)}" or longer, or shorter tasks',
        )
