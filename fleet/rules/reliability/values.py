"""Durations, sizes and counts that can't be meant: nothing, far too much, the end before the beginning."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, NamedTuple

from fleet.config.model import Autoscale, Fleet, format_duration, format_size
from fleet.machine import Machine
from fleet.rules.brokers import may_be_rabbitmq
from fleet.rules.finding import Finding, KeyPath, Mark
from fleet.rules.registry import rule

DAY = timedelta(days=1)
# RabbitMQ holds milliseconds in 32 bits.
LONGEST_TTL = timedelta(milliseconds=2**32 - 1)
_MOST_PREFETCH = 65_535
_SMALLEST_PROCESS = 24 * 2**20


class Least(NamedTuple):
    """Less than this is another unit; `why` says what would happen."""

    value: Any
    why: str
    advice: str


class Most(NamedTuple):
    """More than this is a digit too many, or another unit; `why` says what would happen."""

    value: Any
    why: str


# Key of a group → what nothing of it would mean.
_NOTHING = {
    "time_limit": "no task could run at all",
    "soft_time_limit": "no task could run at all",
    "max_age": "a process would be replaced before it has done anything",
    "max_memory": "a process would be replaced after each task",
}
MOST: dict[str, dict[str, Most]] = {
    "workers": {
        "time_limit": Most(30 * DAY, "a task that hangs holds its place for so long"),
        "soft_time_limit": Most(30 * DAY, "a task that hangs holds its place for so long"),
        "grace_period": Most(7 * DAY, "a rollout waits for so long"),
        "max_age": Most(366 * DAY, "no process lives so long"),
        "retry_backoff": Most(7 * DAY, "the first retry waits for so long"),
        "retry_backoff_max": Most(30 * DAY, "a retry may wait for so long"),
        "max_retries": Most(1_000, "a task that always fails is tried for ever"),
        "max_deliveries": Most(100, "a message that kills its worker is tried so often"),
    },
    "machine": {
        "cpus": Most(4_096, "no machine has so many"),
        "nofile": Most(2**31, "no kernel takes so many"),
    },
    "broker": {
        "heartbeat": Most(timedelta(minutes=10), "a dead connection is noticed after twice as long"),
        "lease": Most(timedelta(hours=1), "what a dead machine held comes back after so long"),
    },
    "rollout": {
        "min_ready": Most(timedelta(hours=1), "a rollout waits so long for each worker"),
        "progress_deadline": Most(DAY, "a rollout that hangs is noticed after so long"),
        "max_surge": Most(100, "a rollout starts so many workers at once"),
    },
}

_LEAST: dict[str, dict[str, Least]] = {
    "broker": {
        "heartbeat": Least(
            timedelta(seconds=1),
            "a short pause of a worker, the broker or the network counts as a dead connection",
            'heartbeat = "30s" is the default',
        ),
    },
    "history": {
        "max_size": Least(
            2**20, "there is room for a few minutes of points", 'max_size = "64MiB" is the default'
        ),
    },
    "alerts": {
        "repeat": Least(
            timedelta(minutes=1), "whoever is told is reminded so often", 'repeat = "4h" is the default'
        ),
    },
    "schedules": {
        "expires": Least(
            timedelta(seconds=1),
            "a worker rarely takes a message sooner, and later ones are dropped unrun",
            'expires = "10m", or how long a run is still wanted',
        ),
    },
}


@rule(
    "FLT511",
    "limit-of-nothing",
    "error",
    singly=True,
    reads=(
        *(f"workers.{key}" for key in _NOTHING),
        *("broker.heartbeat", "machine.memory", "history.max_size", "alerts.repeat"),
    ),
)
def limit_of_nothing(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A limit of 0.

    Other tools take 0 for "no limit". Here no limit is a key that is left out: a `time_limit` of nothing lets no
    task run, a `max_memory` of nothing replaces the process after each of them.

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        time_limit = "0s"

    Good:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        time_limit = "5m"
    """
    for name, group in fleet.workers.items():
        for key, why in _NOTHING.items():
            if (value := getattr(group, key)) is not None and not value:
                yield Finding(
                    ("workers", name, key), f'group "{name}": with a `{key}` of 0 {why}', help=_leave_out(key)
                )
    if not fleet.broker.heartbeat:
        text = "with a `heartbeat` of 0 a dead connection is never noticed"
        yield Finding(("broker", "heartbeat"), text, help="leave it out for the default of 30s")
    if not fleet.history.max_size:
        text = "with a `max_size` of 0 the history forgets all that it is told"
        yield Finding(("history", "max_size"), text, help="leave it out for the default of 64MiB")
    if fleet.alerts and not fleet.alerts.repeat:
        text = "with a `repeat` of 0 whoever is told is reminded with each look, every few seconds"
        yield Finding(
            ("alerts", "repeat"), text, help='leave it out for the default of 4h; "30d" is hardly ever'
        )
    if fleet.machine.memory == 0:
        yield Finding(
            ("machine", "memory"),
            "with a `memory` of 0 no worker fits into the machine",
            help=_leave_out("memory"),
        )


def _leave_out(key: str) -> str:
    return f"leave `{key}` out" + (
        ": fleet then takes the memory of this machine" if key == "memory" else ", if there is to be no limit"
    )


@rule(
    "FLT512",
    "absurd-limit",
    "warning",
    varies=True,
    singly=True,
    reads=(
        *(f"{table}.{key}" for table, keys in MOST.items() for key in keys),
        *(
            "workers.max_memory",
            "workers.prefetch",
            "machine.memory",
            "workers.replicas",
            "queues.message_ttl",
            "broker.url",
            *(f"{table}.{key}" for table, keys in _LEAST.items() for key in keys),
        ),
    ),
)
def absurd_limit(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A limit that is far too large or too small, or a maximum below its start.

    A time limit of months, a lease of a day, a process of 4 MiB: mostly another unit was meant (milliseconds, kB).
    `retry_backoff_max` below `retry_backoff` makes the first wait the longest. RabbitMQ refuses a `message_ttl`
    above 49 days, which is an error, and one of 0 drops what no worker takes at once.

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        max_memory = "512kB"

    Good:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        max_memory = "512MB"
    """
    yield from _too_much(("broker",), fleet.broker, MOST["broker"])
    yield from _too_much(("machine",), fleet.machine, MOST["machine"])
    if fleet.machine.memory and fleet.machine.memory < _SMALLEST_PROCESS:
        text = f"no fleet fits into {format_size(fleet.machine.memory)}"
        yield Finding(("machine", "memory"), text, help='a bare number is bytes: memory = "16GiB"')
    yield from _too_much(("rollout",), fleet.rollout, MOST["rollout"])
    yield from _too_little(("broker",), fleet.broker, _LEAST["broker"])
    yield from _too_little(("history",), fleet.history, _LEAST["history"])
    if fleet.alerts:
        yield from _too_little(("alerts",), fleet.alerts, _LEAST["alerts"])
    for index, schedule in enumerate(fleet.schedules):
        yield from _too_little(("schedules", index), schedule, _LEAST["schedules"])
    for name, group in fleet.workers.items():
        path: KeyPath = ("workers", name)
        yield from _too_much(path, group, MOST["workers"])
        if group.max_memory and group.max_memory < _SMALLEST_PROCESS:
            yield Finding(
                (*path, "max_memory"),
                f'group "{name}": a process holds more than {format_size(group.max_memory)} before its first task, '
                "and would be replaced after each",
                help='max_memory = "512MiB", or what its tasks need',
            )
        if isinstance(group.prefetch, int) and group.prefetch > _MOST_PREFETCH and may_be_rabbitmq(fleet):
            yield Finding(
                (*path, "prefetch"),
                f"RabbitMQ takes a `prefetch` of at most {_MOST_PREFETCH:,}, and refuses {group.prefetch:,}",
                help='prefetch = "auto"',
                severity="error",
            )
        if group.retry_backoff > group.retry_backoff_max:
            said = "retry_backoff_max" if "retry_backoff_max" in group.said else "retry_backoff"
            other = "retry_backoff" if said == "retry_backoff_max" else "retry_backoff_max"
            labels = {"retry_backoff": "the first wait", "retry_backoff_max": "the longest wait"}
            yield Finding(
                (*path, said),
                f'group "{name}": `retry_backoff_max` ({format_duration(group.retry_backoff_max)}) is below '
                f"`retry_backoff` ({format_duration(group.retry_backoff)}), where the waits begin",
                related=(Mark((*path, other), labels[other]),) if other in group.said else (),
                about=((*path, other),),
                help=f'retry_backoff_max = "{format_duration(group.retry_backoff)}" or longer, '
                "or a shorter `retry_backoff`",
            )
        if isinstance(group.replicas, Autoscale) and group.replicas.target_latency > DAY:
            yield Finding(
                (*path, "replicas", "target_latency"),
                f'group "{name}": messages may wait {format_duration(group.replicas.target_latency)} before it grows',
                help='target_latency = "30s", or what the users of the tasks would not notice',
            )
    if may_be_rabbitmq(fleet):
        yield from _lives_of_messages(fleet)


def _too_much(path: KeyPath, table: object, limits: dict[str, Most]) -> Iterator[Finding]:
    for key, most in limits.items():
        value = getattr(table, key)
        if value is not None and value > most.value:
            shown = format_duration(value) if isinstance(value, timedelta) else f"{value:,}"
            is_time = isinstance(most.value, timedelta)
            usual = format_duration(most.value) if is_time else f"{most.value:,}"
            advice = f"at most {usual} is usual" + ("; check the unit: ms, s, m, h, d" if is_time else "")
            yield Finding((*path, key), f"`{key}` of {shown}: {most.why}", help=advice)


def _too_little(path: KeyPath, table: object, limits: dict[str, Least]) -> Iterator[Finding]:
    """Nothing at all is FLT511's, or FLT801's."""
    for key, least in limits.items():
        value = getattr(table, key)
        if value and value < least.value:
            shown = format_duration(value) if isinstance(value, timedelta) else format_size(value)
            yield Finding((*path, key), f"`{key}` of {shown}: {least.why}", help=least.advice)


def _lives_of_messages(fleet: Fleet) -> Iterator[Finding]:
    for name, queue in fleet.queues.items():
        path: KeyPath = ("queues", name, "message_ttl")
        if queue.message_ttl is not None and queue.message_ttl > LONGEST_TTL:
            yield Finding(
                path,
                f"RabbitMQ takes no `message_ttl` above 49 days, and refuses {format_duration(queue.message_ttl)}",
                help="a shorter one, or none",
                severity="error",
            )
        elif queue.message_ttl is not None and not queue.message_ttl:
            yield Finding(
                path,
                f'queue "{name}" drops every message that no worker takes at that moment',
                help="leave it out, if messages are to wait",
            )
