"""Time limits: against each other, the time to drain, and the broker's patience."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta

from fleet.config.model import Fleet, WorkerGroup, format_duration
from fleet.machine import Machine
from fleet.rules.brokers import AMQP, broker_kind
from fleet.rules.consumption_facts import TAKING_TURNS, count, meant, queues_with, slots
from fleet.rules.finding import Add, Change, Finding, KeyPath, Mark
from fleet.rules.registry import rule

LIMIT_READS = ("workers.pool", "workers.time_limit", "workers.soft_time_limit")
_CONSUMER_TIMEOUT = timedelta(minutes=30)
_MOST = 8  # queues to show


@rule("FLT503", "soft-limit-not-below-hard", "error", reads=LIMIT_READS)
def soft_limit_not_below_hard(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """The soft time limit is not below the hard one.

    At the soft limit the task gets SoftTimeLimitExceeded, and what is left until the hard limit is its
    time to clean up. If the hard limit comes first, or at the same time, it never gets any.

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        soft_time_limit = "60s"
        time_limit = "60s"

    Good:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        soft_time_limit = "60s"
        time_limit = "75s"
    """
    for name, group in fleet.workers.items():
        soft, hard = group.soft_time_limit, group.time_limit
        if not soft or not hard or soft < hard or group.pool not in ("prefork", *TAKING_TURNS):
            continue
        yield Finding(
            ("workers", name, "soft_time_limit"),
            f'group "{name}": the soft limit of {format_duration(soft)} leaves a task no time to clean up '
            f"before the hard one of {format_duration(hard)}",
            related=(Mark(("workers", name, "time_limit"), "the task is ended here"),),
            help=f"`time_limit` some seconds above {format_duration(soft)}, or `soft_time_limit` some seconds below "
            f"{format_duration(hard)}",
        )


@rule("FLT504", "cpu-group-without-limit", "warning", reads=(*LIMIT_READS, "workers.queues"))
def cpu_group_without_limit(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """A prefork group of CPU-bound tasks without any time limit.

    A task that computes for ever (a bad input, an endless loop) holds its process for ever. With as many
    processes as CPUs, a few of them stop the whole group, and nothing restarts it: to everybody outside
    it looks busy.

    Bad:

        [queues.images]
        workload = "cpu"

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4

    Good:

        [queues.images]
        workload = "cpu"

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        time_limit = "5m"
        grace_period = "5m"
    """
    for name, group in fleet.workers.items():
        if group.pool == "prefork" and queues_with(fleet, group, "cpu") and _longest(group) is None:
            yield Finding(
                ("workers", name),
                f'group "{name}" has no time limit: a task that never ends holds one of its '
                f"{count(slots(group, machine), 'process')} for ever",
                help='time_limit = "5m", or what the longest task needs; and a grace_period as long',
            )


@rule("FLT505", "drain-cuts-tasks", "warning", fix="unsafe", reads=(*LIMIT_READS, "workers.grace_period"))
def drain_cuts_tasks(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`grace_period` is shorter than a task may take.

    At each rollout a worker drains: it finishes what it runs, for up to `grace_period`. What is still
    running then is cut off, and its message starts again elsewhere. With a time limit above the grace
    period each deploy throws work away. (Solo is FLT314.)

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        time_limit = "5m"
        grace_period = "30s"

    Good:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        time_limit = "5m"
        grace_period = "5m"
    """
    for name, group in fleet.workers.items():
        key = "time_limit" if group.time_limit is not None else "soft_time_limit"
        limit = _longest(group)
        if limit is None or limit <= group.grace_period or group.pool not in ("prefork", *TAKING_TURNS):
            continue
        is_said = "grace_period" in group.said
        long, short = format_duration(limit), format_duration(group.grace_period)
        path: KeyPath = ("workers", name, "grace_period" if is_said else key)
        wanted = f'"{long}"'
        yield Finding(
            path,
            f'group "{name}": a rollout cuts tasks off after {short}{"" if is_said else " (the default)"}, '
            f"though they may take {long}",
            related=(Mark(("workers", name, key), "a task may take this long"),) if is_said else (),
            help=f"grace_period = {wanted}",
            steps=(Change(path, wanted) if is_said else Add(path[:2], "grace_period", wanted),),
        )


@rule(
    "FLT506",
    "limit-beyond-consumer-timeout",
    "error",
    varies=True,
    reads=(*LIMIT_READS, "workers.prefetch", "workers.concurrency", "broker.url", "queues.arguments"),
)
def limit_beyond_consumer_timeout(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """A task may run for longer than RabbitMQ waits for its acknowledgement.

    A delivery that is not acknowledged within 30 minutes makes RabbitMQ close the channel: all that the
    worker holds is given to others, and the long task runs a second time, for ever. The time runs from the moment
    that the worker gets the message: with a `prefetch` above the concurrency some wait there for a task to end, or for
    several. `x-consumer-timeout` (milliseconds) of the queue allows more. With `acks = "early"` there is nothing to
    wait for.

    Bad:

        [queues.video]
        workload = "cpu"

        [workers.video]
        queues = ["video"]
        pool = "prefork"
        concurrency = 4
        time_limit = "2h"

    Good:

        [queues.video]
        workload = "cpu"
        arguments = { x-consumer-timeout = 7_500_000 }

        [workers.video]
        queues = ["video"]
        pool = "prefork"
        concurrency = 4
        time_limit = "2h"
        grace_period = "2h"

    Source: RabbitMQ documentation, Consumers, Delivery Acknowledgement Timeout.
    """
    if broker_kind(fleet) != AMQP:
        return
    for name, group in fleet.workers.items():
        limit = _longest(group)
        if limit is None or group.acks == "early":
            continue
        key = "time_limit" if group.time_limit is not None else "soft_time_limit"
        turns = _turns(group, machine)
        patience = {q: _patience(fleet, q) for each in group.queues if (q := meant(fleet, each))}
        short = [queue for queue, time in patience.items() if time <= limit * turns]
        if not short:
            continue
        milliseconds = round(limit.total_seconds() * 1000 * turns * 1.05)
        shortest = min(patience.values())
        closes = f"RabbitMQ closes the channel after {format_duration(shortest)} without an acknowledgement"
        if limit < shortest:
            held = f"holds {group.prefetch:,} messages and runs {slots(group, machine):,} at once"
            waits = f"a worker {held}, so that the last one is acknowledged after {format_duration(limit * turns)}"
        else:
            waits = f"tasks may take {format_duration(limit)}"
        yield Finding(
            ("workers", name, key),
            f'group "{name}": {waits}, but {closes}',
            related=(
                *((Mark(("workers", name, "prefetch"), "messages held"),) if turns > 1 else ()),
                *(Mark(("queues", queue), "consumed here") for queue in short[:_MOST]),
            ),
            help=f"arguments = {{ x-consumer-timeout = {milliseconds} }} for the queue, or shorter tasks"
            + (', or prefetch = "auto"' if turns > 1 else ""),
        )


def _turns(group: WorkerGroup, machine: Machine) -> int:
    """After how many tasks, one after the other, the last of the messages that a worker holds has been done."""
    held, at_once = group.prefetch, slots(group, machine)
    return max(1, math.ceil(held / at_once)) if isinstance(held, int) else 1


def _longest(group: WorkerGroup) -> timedelta | None:
    """How long a task of the group may take."""
    return group.time_limit if group.time_limit is not None else group.soft_time_limit


def _patience(fleet: Fleet, queue: str) -> timedelta:
    value = fleet.queues[queue].arguments.get("x-consumer-timeout")
    if value is None:
        return _CONSUMER_TIMEOUT
    is_number = isinstance(value, int) and not isinstance(value, bool) and value < 10**14
    return timedelta(milliseconds=value) if is_number else timedelta.max  # FLT107
