"""Options of `celery worker` as what they become in a worker group: a key with its value, nothing, or a decision."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from fleet.takeover.options import CeleryOptions


class Setting(NamedTuple):
    """A line of [workers.NAME]."""

    key: str
    value: object
    """str, int, list or dict, as TOML has them."""
    comment: str


class Needless(NamedTuple):
    """What fleet does anyway, or has no need of: a comment."""

    what: str
    why: str


class Undecided(NamedTuple):
    """What changes unless somebody decides."""

    what: str
    why: str


Outcome = Setting | Needless | Undecided

POOLS = {
    "prefork": "prefork",
    "processes": "prefork",
    "solo": "solo",
    "threads": "threads",
    "gevent": "gevent",
    "eventlet": "eventlet",
}
CPUS = re.compile(r"\$\((nproc)(--all)?\)|`nproc`")
_ALREADY = {
    "without_gossip": "fleet's workers don't gossip",
    "without_mingle": "revocations are shared by the state directory",
    "logfile": "fleet keeps the logs: `fleet logs`",
    "pidfile": "fleet knows its workers: `fleet status`",
    "detach": "`fleet up` stays in the foreground, under systemd or another supervisor",
    "statedb": "fleet keeps revocations in its state directory",
    "no_color": "logs have no colours",
    "quiet": "fleet prints no banner",
    "skip_checks": "fleet runs no checks of Django at the start",
    "executable": "workers run by the Python of `fleet`",
    "beat": "`fleet up` sends the app's beat_schedule",
    "schedule": "what was sent last is remembered in the broker",
    "scheduler": "[fleet] beat_scheduler names the class",
}
_DECISIONS = {
    "task_events": "events are a setting of the app: worker_send_task_events = True",
    "without_heartbeat": "workers send heartbeats of Celery, which Flower reads; they do no harm",
    "purge": "it throws away waiting messages at each start, which fleet never does: `celery purge` does it once",
    "result_backend": "the app names its backend: result_backend, or CELERY_RESULT_BACKEND",
    "include": "modules with tasks are a setting of the app: `include`, or autodiscover_tasks",
    "loader": "the app chooses its loader: Celery(loader=…)",
    "exclude_queues": "the queues are named in fleet.toml: give this group those that it shall consume",
    "heartbeat_interval": "heartbeats of Celery go out at Celery's own interval",
    "gid": "a group's processes run in the groups of `user`",
    "umask": "set it where `fleet up` is started",
}


def of_worker(options: CeleryOptions) -> Iterator[Outcome]:
    """All that the options of one worker become, but its name, its queues and the app."""
    yield from pool(options)
    for key, (value, written) in options.given.items():
        if key in _ALREADY:
            yield Needless(written, _ALREADY[key])
        elif key in _DECISIONS:
            yield Undecided(
                re.split(r"[=\s]", written)[0] if key == "result_backend" else written, _DECISIONS[key]
            )
        elif key in _CONVERTED:
            yield from _CONVERTED[key](value, written, options)
    for written in options.unknown:
        yield Undecided(written, "not an option of `celery worker`")


def pool_name(options: CeleryOptions) -> str:
    return POOLS.get(options.value("pool") or "prefork", "prefork")


def pool(options: CeleryOptions) -> Iterator[Outcome]:
    """The pool and its size: from -P, -c and --autoscale."""
    value, written = options.given.get("pool", ("prefork", "Celery's default"))
    if value not in POOLS:
        yield Undecided(
            written, f"fleet has no such pool; prefork is written. It has {', '.join(POOLS)}, asyncio"
        )
        written = f"instead of {written}"
    yield Setting("pool", pool_name(options), written)
    if "autoscale" in options.given:
        yield from autoscale(options)
    elif pool_name(options) != "solo":
        yield from concurrency(options)


def concurrency(options: CeleryOptions) -> Iterator[Outcome]:
    value, written = options.given.get("concurrency", ("", ""))
    if value.isdigit() and int(value) > 0:
        yield Setting("concurrency", int(value), written)
    elif value in ("", "0") or CPUS.fullmatch(value):
        yield Setting("concurrency", "cpus", written or "no -c: as many as there are CPUs")
    else:
        yield Setting("concurrency", "cpus", f"{written}: not known here")
        yield Undecided(written, 'its value is not known from the file; concurrency = "cpus" is written')


def autoscale(options: CeleryOptions) -> Iterator[Outcome]:
    """Celery grows one pool; fleet starts workers of the smallest size until they are as many as the largest."""
    value, written = options.given["autoscale"]
    numbers = [int(part) for part in value.split(",") if part.strip().isdigit()]
    if not numbers or len(numbers) != len(value.split(",")) or max(numbers) == 0:
        yield from concurrency(options)
        yield Undecided(written, "expected MAX,MIN; replicas = { min, max } follows the load")
        return
    most, least = max(numbers), min(numbers) if len(numbers) > 1 else 0
    size = 1 if pool_name(options) == "solo" else max(1, least)
    if pool_name(options) != "solo":
        yield Setting("concurrency", size, f"{written}: the least, in one worker ...")
    replicas = {"min": min(1, least), "max": math.ceil(most / size)}
    yield Setting("replicas", replicas, "... and workers come and go with the load, up to the most")


def _prefetch(value: str, written: str, options: CeleryOptions) -> Iterator[Outcome]:
    slots = next(
        (each.value for each in pool(options) if isinstance(each, Setting) and each.key == "concurrency"), 1
    )
    if value.isdigit() and int(value) > 0 and isinstance(slots, int):
        yield Setting("prefetch", int(value) * slots, f"{written}, times {slots} at once")
    else:
        yield Undecided(written, '`prefetch` counts messages of a worker; "auto" follows how long tasks take')


def _disable_prefetch(_value: str, written: str, options: CeleryOptions) -> Iterator[Outcome]:
    yield from _prefetch("1", written, options)


def _limit(key: str) -> Callable[[str, str, CeleryOptions], Iterator[Outcome]]:
    def convert(value: str, written: str, _options: CeleryOptions) -> Iterator[Outcome]:
        if re.fullmatch(r"\d+(\.\d+)?", value) and float(value) > 0:
            yield Setting(key, f"{value}s", f"{written}: seconds")
        else:
            yield Undecided(written, f"expected seconds, for {key}")

    return convert


def _recycling(key: str, unit: str) -> Callable[[str, str, CeleryOptions], Iterator[Outcome]]:
    """Celery does it in prefork only; fleet in every pool."""

    def convert(value: str, written: str, options: CeleryOptions) -> Iterator[Outcome]:
        if not value.isdigit() or int(value) == 0:
            yield Undecided(written, f"expected a number, for {key}")
        elif pool_name(options) != "prefork":
            yield Needless(written, f"Celery does it in prefork only; {key} does it here, too")
        else:
            yield Setting(
                key, f"{value}{unit}" if unit else int(value), f"{written}{': KiB' if unit else ''}"
            )

    return convert


def _log_level(value: str, written: str, _options: CeleryOptions) -> Iterator[Outcome]:
    level = {"WARN": "WARNING", "FATAL": "CRITICAL"}.get(value.upper(), value.upper())
    if level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"):
        yield Setting("log_level", level, written)
    else:
        yield Undecided(written, "expected DEBUG, INFO, WARNING, ERROR or CRITICAL, for log_level")


def _optimization(value: str, written: str, _options: CeleryOptions) -> Iterator[Outcome]:
    if value in ("fair", "default"):
        yield Needless(written, "a process gets a task when it is free, always")
    else:
        yield Undecided(written, "Celery has -O fair and -O default")


def _start_method(value: str, written: str, _options: CeleryOptions) -> Iterator[Outcome]:
    why = "prefork forks its processes"
    yield Needless(written, why) if value == "fork" else Undecided(written, why)


def _user(value: str, written: str, _options: CeleryOptions) -> Iterator[Outcome]:
    yield Setting("user", value, f"{written}: when `fleet up` is started as root")


_CONVERTED: dict[str, Callable[[str, str, CeleryOptions], Iterator[Outcome]]] = {
    "prefetch_multiplier": _prefetch,
    "disable_prefetch": _disable_prefetch,
    "max_tasks": _recycling("max_tasks", ""),
    "max_memory": _recycling("max_memory", "KiB"),
    "time_limit": _limit("time_limit"),
    "soft_time_limit": _limit("soft_time_limit"),
    "log_level": _log_level,
    "optimization": _optimization,
    "uid": _user,
    "pool_start_method": _start_method,
}
