"""The fleet.toml as checked → its FleetState: what each worker group is, and the policies of the fleet.

Absolute paths, secrets read, numbers for "cpus". Nothing else turns the model into groups.
"""

from __future__ import annotations

import time

from fleet.config.model import Autoscale as Scaling
from fleet.config.model import Fleet, WorkerGroup
from fleet.config.resolve import broker, env_file, pythonpath, queue_spec, routing, schedules, state_dir
from fleet.fleet_state import AlertSettings, Autoscale, Dashboard, FleetState, Group, RolloutPolicy
from fleet.host_labels import this_host
from fleet.launch_specs import WorkerSpec, celery_entries
from fleet.machine import Machine, this_machine
from fleet.spec import QueueSpec
from fleet.working_folder import expanded


def fleet_state(fleet: Fleet, *, machine: Machine | None = None) -> FleetState:
    """`machine` is where it runs; default: this one. Raises Unreadable when a file named in it can't be read."""
    policy = _policy(fleet)
    groups = tuple(_group(fleet, name, policy, machine) for name in fleet.workers)
    return FleetState(
        fleet=fleet.name,
        folder=str(fleet.folder),
        state_dir=str(state_dir(fleet).root),
        loaded_at=time.time(),
        routing=routing(fleet),
        groups=groups,
        dashboard=_dashboard(fleet),
        history_bytes=fleet.history.max_size,
        alerts=_alerts(fleet),
        schedules=schedules(fleet),
        beat=fleet.project.beat,
        beat_scheduler=fleet.project.beat_scheduler,
    )


def _group(fleet: Fleet, name: str, policy: RolloutPolicy, machine: Machine | None) -> Group:
    declared = fleet.workers[name]
    return Group(
        spec=worker_spec(fleet, name, machine=machine),
        replicas=declared.replica_bounds()[0],
        rollout=policy,
        singleton=declared.singleton,
        on=declared.on,
        here=set(declared.on) <= this_host(),
        autoscale=_autoscale(declared),
    )


def _autoscale(declared: WorkerGroup) -> Autoscale | None:
    wanted = declared.replicas
    if isinstance(wanted, int):
        return None
    return Autoscale(wanted.min, wanted.max, wanted.target_latency.total_seconds())


def worker_spec(fleet: Fleet, group_name: str, *, machine: Machine | None = None) -> WorkerSpec:
    """What every worker of the group runs. `machine` is where it runs; default: this one.

    Raises KeyError for an unknown group, Unreadable when `url_file` or `env_file` can't be read.
    """
    group = fleet.workers[group_name]
    return WorkerSpec(
        fleet=fleet.name,
        group=group_name,
        app=fleet.project.app,
        pythonpath=pythonpath(fleet),
        broker=broker(fleet),
        queues=tuple(queue_spec(name, fleet.queues[name]) for name in group.queues),
        pool=group.pool,
        concurrency=group.slots((machine or this_machine()).cpus.value),
        prefetch=group.prefetch if isinstance(group.prefetch, int) else None,
        acks=_acks(fleet, group),
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
        log_level=group.log_level,
        log_format=group.log_format,
        nice=group.nice,
        user=group.user,
        environment={**env_file(fleet), **group.env},
        preload=group.preload,
        opened_at_import=group.opened_at_import,
        dead_letters=_declared_dead_letters(fleet, group),
        queue_order=group.queue_order,
        threads=group.threads,
    )


def _acks(fleet: Fleet, group: WorkerGroup) -> str:
    """Only a Celery app has tasks that say so themselves."""
    if not celery_entries(fleet.project.app):
        return "early" if group.acks == "early" else "late"
    return group.acks or "app"


def _declared_dead_letters(fleet: Fleet, group: WorkerGroup) -> tuple[QueueSpec, ...]:
    """Of those queues that the group consumes; each once."""
    names = {name: fleet.queues[name].dead_letter_queue(name) for name in group.queues}
    wanted = dict.fromkeys(name for name in names.values() if name in fleet.queues and name not in names)
    return tuple(queue_spec(name, fleet.queues[name]) for name in wanted if name is not None)


def _policy(fleet: Fleet) -> RolloutPolicy:
    table = fleet.rollout
    return RolloutPolicy(
        max_surge=table.max_surge,
        max_unavailable=table.max_unavailable,
        min_ready_seconds=table.min_ready.total_seconds(),
        progress_deadline_seconds=table.progress_deadline.total_seconds(),
        on_failure=table.on_failure,
        watch=table.watch,
    )


def _dashboard(fleet: Fleet) -> Dashboard | None:
    table = fleet.dashboard
    if table is None:
        return None
    return Dashboard(
        listen=table.listen,
        token_file=table.token_file,
        hosts=table.hosts,
        root_path=table.root_path.rstrip("/"),
        trusted_proxies=table.trusted_proxies,
        arguments=table.arguments,
    )


def _alerts(fleet: Fleet) -> AlertSettings | None:
    table = fleet.alerts
    if table is None:
        return None
    waits, silences = {}, {}
    for name, queue in fleet.queues.items():
        targets = [
            group.replicas.target_latency
            for group in fleet.workers.values()
            if name in group.queues and isinstance(group.replicas, Scaling)
        ]
        wait = queue.alert_wait or min(targets, default=None)
        if wait is not None:
            waits[name] = wait.total_seconds()
        if queue.alert_no_success is not None:
            silences[name] = queue.alert_no_success.total_seconds()
    file = None if table.webhook_file is None else str(fleet.folder / expanded(table.webhook_file))
    return AlertSettings(file, table.command or (), table.repeat.total_seconds(), waits, silences)
