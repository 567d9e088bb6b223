"""Fleet → the specs that workers and producers get: absolute paths, secrets read, numbers for "cpus"."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from fleet.config.envfile import parse_env_file
from fleet.config.model import Fleet, Queue, WorkerGroup
from fleet.config.source import Unreadable
from fleet.machine import Machine, this_machine
from fleet.spec import BrokerSpec, QueueSpec, RouteSpec, RoutingSpec, WorkerSpec
from fleet.statedir import StateDir


def state_dir(fleet: Fleet) -> StateDir:
    """Where this fleet keeps its files; nothing is created."""
    return StateDir(_absolute(fleet, fleet.project.state_dir))


def replicas(fleet: Fleet, group: str) -> tuple[int, int]:
    """Fewest and most workers of `group`; equal unless it scales. Raises KeyError."""
    return fleet.workers[group].replica_bounds()


def autoscale(fleet: Fleet, group: str) -> tuple[int, int, float] | None:
    """Fewest workers, most workers, target latency in seconds; None unless the group scales."""
    wanted = fleet.workers[group].replicas
    if isinstance(wanted, int):
        return None
    return wanted.min, wanted.max, wanted.target_latency.total_seconds()


def concurrency(group: WorkerGroup, cpus: int) -> int:
    """What one worker of `group` runs at once on a machine with `cpus` CPUs."""
    return group.slots(cpus)


def routing(fleet: Fleet) -> RoutingSpec:
    """All that a producer needs. Raises Unreadable when `url_file` can't be read."""
    return RoutingSpec(
        broker=broker(fleet),
        queues=tuple(_queue(name, queue) for name, queue in fleet.queues.items()),
        routes=tuple(RouteSpec(rule.task, rule.queue, rule.priority) for rule in fleet.routes),
    )


def worker_spec(fleet: Fleet, group_name: str, *, machine: Machine | None = None) -> WorkerSpec:
    """What every worker of the group runs. `machine` is where it runs; default: this one.

    Raises KeyError for an unknown group, Unreadable when `url_file` or `env_file` can't be read.
    """
    group = fleet.workers[group_name]
    return WorkerSpec(
        fleet=fleet.name,
        group=group_name,
        app=fleet.project.app,
        pythonpath=_pythonpath(fleet),
        broker=broker(fleet),
        queues=tuple(_queue(name, fleet.queues[name]) for name in group.queues),
        pool=group.pool,
        concurrency=group.slots((machine or this_machine()).cpus.value),
        prefetch=group.prefetch if isinstance(group.prefetch, int) else None,
        acks=group.acks,
        max_deliveries=group.max_deliveries,
        max_retries=group.max_retries,
        retry_backoff_seconds=group.retry_backoff.total_seconds(),
        retry_backoff_max_seconds=group.retry_backoff_max.total_seconds(),
        soft_time_limit_seconds=group.soft_time_limit.total_seconds() if group.soft_time_limit else None,
        time_limit_seconds=group.time_limit.total_seconds() if group.time_limit else None,
        grace_period_seconds=group.grace_period.total_seconds(),
        max_tasks=group.max_tasks,
        max_memory_bytes=group.max_memory,
        max_age_seconds=group.max_age.total_seconds() if group.max_age else None,
        nice=group.nice,
        user=group.user,
        environment={**_env_file(fleet), **group.env},
        preload=group.preload,
    )


@dataclass(frozen=True, slots=True)
class AppImport:
    """How any worker imports the app: modules, absolute folders to import from, variables of `env_file`."""

    app: tuple[str, ...]
    pythonpath: tuple[str, ...]
    environment: dict[str, str]


def app_import(fleet: Fleet) -> AppImport:
    """Raises Unreadable when `env_file` can't be read."""
    return AppImport(fleet.project.app, _pythonpath(fleet), _env_file(fleet))


def broker(fleet: Fleet) -> BrokerSpec:
    """How to reach the broker. Raises Unreadable when `url_file` can't be read."""
    table = fleet.broker
    return BrokerSpec(
        url=_broker_url(fleet),
        accept=table.accept,
        heartbeat_seconds=table.heartbeat.total_seconds(),
        lease_seconds=table.lease.total_seconds(),
        transport_options=dict(table.transport_options),
    )


def _broker_url(fleet: Fleet) -> str:
    if fleet.broker.url_file:
        url = _read(_absolute(fleet, fleet.broker.url_file), "broker.url_file").strip()
    else:
        url = fleet.broker.url or f"sqlite:///{state_dir(fleet).root / 'broker.db'}"
    prefix, found, path = url.partition("sqlite:///")
    if prefix or not found or path.startswith(":memory:"):
        return url
    return f"sqlite:///{_absolute(fleet, path)}"


def _queue(name: str, queue: Queue) -> QueueSpec:
    return QueueSpec(
        name=name,
        exchange=queue.exchange,
        exchange_type=queue.exchange_type,
        routing_key=name if queue.routing_key is None else queue.routing_key,
        durable=queue.durable,
        max_priority=queue.max_priority,
        message_ttl_seconds=queue.message_ttl.total_seconds() if queue.message_ttl else None,
        dead_letter=_dead_letter(name, queue),
        arguments=dict(queue.arguments),
    )


def _dead_letter(name: str, queue: Queue) -> str | None:
    if queue.dead_letter is False:
        return None
    return queue.dead_letter if isinstance(queue.dead_letter, str) else f"{name}.dead"


def _pythonpath(fleet: Fleet) -> tuple[str, ...]:
    return tuple(str(_absolute(fleet, folder)) for folder in fleet.project.pythonpath)


def _env_file(fleet: Fleet) -> dict[str, str]:
    if not fleet.project.env_file:
        return {}
    return parse_env_file(_read(_absolute(fleet, fleet.project.env_file), "fleet.env_file"))


def _absolute(fleet: Fleet, path: str) -> Path:
    # normpath rather than resolve(): a symlinked release folder must stay the path that was configured.
    return Path(os.path.normpath(fleet.folder / Path(path).expanduser()))


def _read(path: Path, key: str) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise Unreadable(f"{key}: can't read {path}: {reason}") from error
