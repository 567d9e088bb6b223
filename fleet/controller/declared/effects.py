"""The effect of each key of fleet.toml on a running fleet: one table, for `fleet plan` and the docs.

What replaces workers follows from `WorkerSpec.revision`; a test holds this table to it. What needs a restart
is refused because it is said here (`differences.refusals`).
"""

from __future__ import annotations

from enum import StrEnum


class Effect(StrEnum):
    LIVE = "live"  # nothing is replaced
    REPLACE = "replace"  # the workers of the groups concerned, by a rollout
    RESTART = "restart"  # `fleet down` and `fleet up`


EXPLAINED = {
    Effect.LIVE: "applied to the running workers, or to the next ones that start; nobody is replaced",
    Effect.REPLACE: "the workers of the groups concerned are replaced by a rollout",
    Effect.RESTART: "refused while the fleet runs: `fleet down`, then `fleet up`",
}

_LIVE, _REPLACE, _RESTART = Effect.LIVE, Effect.REPLACE, Effect.RESTART

EFFECTS: dict[str, Effect] = {
    "fleet.app": _REPLACE,
    "fleet.name": _RESTART,
    "fleet.timezone": _LIVE,
    "fleet.beat": _LIVE,
    "fleet.beat_scheduler": _LIVE,
    "fleet.pythonpath": _REPLACE,
    "fleet.env_file": _REPLACE,
    "fleet.state_dir": _RESTART,
    "broker.url": _REPLACE,
    "broker.url_file": _REPLACE,
    "broker.accept": _REPLACE,
    "broker.allow_unsafe_serializers": _LIVE,
    "broker.heartbeat": _REPLACE,
    "broker.lease": _REPLACE,
    "broker.transport_options": _REPLACE,
    "broker.max_message_size": _REPLACE,
    "broker.max_connections": _LIVE,
    "machine.cpus": _LIVE,
    "machine.memory": _LIVE,
    "machine.nofile": _LIVE,
    "machine.free_threaded": _LIVE,
    "queues.workload": _LIVE,
    "queues.exchange": _REPLACE,
    "queues.exchange_type": _REPLACE,
    "queues.routing_key": _REPLACE,
    "queues.durable": _REPLACE,
    "queues.max_priority": _REPLACE,
    "queues.message_ttl": _REPLACE,
    "queues.dead_letter": _REPLACE,
    "queues.arguments": _REPLACE,
    "queues.alert_wait": _LIVE,
    "queues.alert_no_success": _LIVE,
    "history.max_size": _LIVE,
    "alerts.webhook_file": _LIVE,
    "alerts.command": _LIVE,
    "alerts.repeat": _LIVE,
    "routes.task": _LIVE,
    "routes.queue": _LIVE,
    "routes.priority": _LIVE,
    "schedules.task": _LIVE,
    "schedules.name": _LIVE,
    "schedules.cron": _LIVE,
    "schedules.every": _LIVE,
    "schedules.timezone": _LIVE,
    "schedules.args": _LIVE,
    "schedules.kwargs": _LIVE,
    "schedules.queue": _LIVE,
    "schedules.priority": _LIVE,
    "schedules.expires": _LIVE,
    "schedules.overlap": _LIVE,
    "schedules.catch_up": _LIVE,
    "schedules.jitter": _LIVE,
    "schedules.enabled": _LIVE,
    "workers.queues": _REPLACE,
    "workers.queue_order": _REPLACE,
    "workers.threads": _REPLACE,
    "workers.pool": _REPLACE,
    "workers.concurrency": _LIVE,
    "workers.replicas": _LIVE,
    "workers.prefetch": _LIVE,
    "workers.acks": _LIVE,
    "workers.max_deliveries": _LIVE,
    "workers.max_retries": _LIVE,
    "workers.retry_backoff": _LIVE,
    "workers.retry_backoff_max": _LIVE,
    "workers.soft_time_limit": _LIVE,
    "workers.time_limit": _LIVE,
    "workers.grace_period": _LIVE,
    "workers.max_tasks": _LIVE,
    "workers.max_memory": _LIVE,
    "workers.max_age": _LIVE,
    "workers.singleton": _LIVE,
    "workers.env": _REPLACE,
    "workers.on": _LIVE,
    "workers.log_level": _REPLACE,
    "workers.log_format": _REPLACE,
    "workers.nice": _REPLACE,
    "workers.user": _REPLACE,
    "workers.preload": _REPLACE,
    "workers.opened_at_import": _REPLACE,
    "rollout.max_surge": _LIVE,
    "rollout.max_unavailable": _LIVE,
    "rollout.min_ready": _LIVE,
    "rollout.progress_deadline": _LIVE,
    "rollout.on_failure": _LIVE,
    "rollout.watch": _LIVE,
    "dashboard.listen": _LIVE,
    "dashboard.token_file": _LIVE,
    "dashboard.hosts": _LIVE,
    "dashboard.root_path": _LIVE,
    "dashboard.trusted_proxies": _LIVE,
    "dashboard.arguments": _LIVE,
    "lint.ignore": _LIVE,
    "lint.severity": _LIVE,
}
"""By table and key; those of a queue, a route or a worker group without its name."""
