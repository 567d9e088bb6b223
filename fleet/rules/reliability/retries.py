"""Retries against the life of a message, and leases against a worker that is only slow."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from fleet.config.model import Fleet, WorkerGroup, format_duration
from fleet.machine import Machine
from fleet.rules.brokers import AMQP, broker_kind
from fleet.rules.consumption_facts import count, meant, roughly
from fleet.rules.finding import Change, Finding, KeyPath, Mark
from fleet.rules.registry import rule

_SHORTEST_LEASE = timedelta(seconds=5)
_FOREVER = timedelta(days=36500)


@rule(
    "FLT508",
    "retries-outlive-message",
    "warning",
    varies=True,
    reads=("workers.max_retries", "workers.retry_backoff", "workers.retry_backoff_max", "queues.message_ttl"),
)
def retries_outlive_message(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """The retries of a task take longer than its message is worth.

    `message_ttl` says after how long a message is of no use to anybody. It counts the time in the queue,
    and starts again with each retry: so a task whose retries wait longer than that is still tried when its
    result is of no use. The wait doubles each time, from `retry_backoff` up to `retry_backoff_max`.

    Bad:

        [queues.quotes]
        workload = "io"
        message_ttl = "5m"

        [workers.quotes]
        queues = ["quotes"]
        pool = "gevent"
        concurrency = 100
        max_retries = 10

    Good:

        [queues.quotes]
        workload = "io"
        message_ttl = "5m"

        [workers.quotes]
        queues = ["quotes"]
        pool = "gevent"
        concurrency = 100
        max_retries = 6
    """
    for name, group in fleet.workers.items():
        wait = waiting_for_retries(group)
        for each in group.queues:
            queue = meant(fleet, each)
            ttl = fleet.queues[queue].message_ttl if queue else None
            if not queue or ttl is None or wait <= ttl:
                continue
            keys = [k for k in ("max_retries", "retry_backoff") if k in group.said]
            there = Mark(("queues", queue, "message_ttl"), "a message that waits longer is dropped")
            path: KeyPath = ("workers", name, keys[0]) if keys else there.path
            yield Finding(
                path,
                f'group "{name}": {count(group.max_retries, "retry")} wait {roughly(wait)} in all, but the '
                f'message_ttl of queue "{queue}" is only {format_duration(ttl)}',
                related=(there,) if keys else (),
                about=(("workers", name),),
                help="fewer retries, a shorter `retry_backoff_max`, or a longer `message_ttl`",
            )
            break


def waiting_for_retries(group: WorkerGroup) -> timedelta:
    """All waits before the retries of one message together, without jitter."""
    total, wait = timedelta(), group.retry_backoff
    for number in range(group.max_retries):
        if wait >= group.retry_backoff_max:
            left = group.max_retries - number
            days = left * group.retry_backoff_max.total_seconds() / 86400
            return total + timedelta(days=days) if days < _FOREVER.days else _FOREVER
        if not wait:
            return timedelta()
        total, wait = total + wait, wait * 2
    return total


@rule("FLT509", "lease-too-short", "warning", varies=True, fix="unsafe", reads=("broker.lease", "broker.url"))
def lease_too_short(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A lease so short that a living worker can lose it.

    On Redis and SQLite a worker holds what it took under a lease, and renews it three times in that time.
    A pause of a whole lease (a swapping machine, a stopped container, a slow disk) makes the worker look
    dead: its tasks are given to others while they still run, and run twice. The work of a worker that
    really died comes back at once, without waiting for the lease, because the controller sees its end; so
    a short lease gains nothing.

    Bad:

        [broker]
        url = "redis://127.0.0.1/0"
        lease = "2s"

    Good:

        [broker]
        url = "redis://127.0.0.1/0"
        lease = "30s"
    """
    lease = fleet.broker.lease
    if lease >= _SHORTEST_LEASE or broker_kind(fleet) == AMQP:
        return
    path: KeyPath = ("broker", "lease")
    yield Finding(
        path,
        f"a lease of {format_duration(lease)}: a worker that pauses for so long loses its tasks to others, and "
        "they run twice",
        help='lease = "30s": the tasks of a worker that died come back at once, however long the lease',
        steps=(Change(path, '"30s"'),),
    )
