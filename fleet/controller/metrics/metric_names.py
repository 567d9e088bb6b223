"""Every metric with its type, labels and meaning: what is exposed, and what docs/reference/metrics.md says of it.

Labels are bounded by what fleet.toml declares, and by 500 (queue, task): never a pid, a host, an id or the text of an
exception. `worker` is a slot ("http/0"): a worker that takes another's place goes on with its series.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from fleet.telemetry import OUTCOMES

Kind = Literal["gauge", "counter", "histogram"]


class Metric(NamedTuple):
    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()


_GROUP = ("group",)
_WORKER = ("group", "worker")
_QUEUE = ("queue",)
_TASK = ("queue", "task")
_SCHEDULE = ("schedule",)

METRICS: tuple[Metric, ...] = (
    Metric(
        "fleet_build_info", "gauge", "Always 1; the label says which version the controller is.", ("version",)
    ),
    Metric("fleet_healthy", "gauge", "1 when `fleet status` says healthy, else 0."),
    Metric("fleet_broker_up", "gauge", "1 when the controller reaches the broker, else 0."),
    Metric(
        "fleet_config_last_reload_successful", "gauge", "1 when fleet.toml as it is now is in force, else 0."
    ),
    Metric(
        "fleet_config_last_reload_success_timestamp_seconds",
        "gauge",
        "When the configuration that is in force was read.",
    ),
    Metric(
        "fleet_rollouts_total",
        "counter",
        "Rollouts by how they ended: finished, halted, rolled_back.",
        ("group", "outcome"),
    ),
    Metric(
        "fleet_scaling_decisions_total",
        "counter",
        "Decisions of the autoscaler to have more (up) or fewer (down) workers.",
        ("group", "direction"),
    ),
    Metric("fleet_group_replicas_desired", "gauge", "Workers that the group should have now.", _GROUP),
    Metric("fleet_group_replicas_ready", "gauge", "Slots of the group with a worker at work.", _GROUP),
    Metric(
        "fleet_group_paused",
        "gauge",
        "1 while the group takes nothing from any of its queues, else 0.",
        _GROUP,
    ),
    Metric("fleet_group_slots", "gauge", "Tasks that the workers of the group can run at once.", _GROUP),
    Metric("fleet_group_busy_slots", "gauge", "Tasks that they run now.", _GROUP),
    Metric(
        "fleet_group_overridden",
        "gauge",
        "1 while a command is put over fleet.toml for the group, else 0.",
        _GROUP,
    ),
    Metric("fleet_worker_up", "gauge", "1 when the slot has a worker that is ready, else 0.", _WORKER),
    Metric(
        "fleet_worker_memory_bytes", "gauge", "Memory of the slot's worker and its pool processes.", _WORKER
    ),
    Metric("fleet_worker_starts_total", "counter", "Processes that were started for the slot.", _WORKER),
    Metric(
        "fleet_worker_crashes_total", "counter", "Of these, those that ended and were not meant to.", _WORKER
    ),
    Metric(
        "fleet_queue_messages",
        "gauge",
        "Messages of the queue that are ready, unacked (a worker has them) or delayed (not due yet).",
        ("queue", "state"),
    ),
    Metric("fleet_queue_dead_messages", "gauge", "Messages in its dead-letter queue.", _QUEUE),
    Metric(
        "fleet_queue_oldest_message_age_seconds", "gauge", "Age of the oldest message that is ready.", _QUEUE
    ),
    Metric(
        "fleet_queue_consumers",
        "gauge",
        "Consumers of the queue, by the broker's word: on RabbitMQ up to two of a worker.",
        _QUEUE,
    ),
    Metric(
        "fleet_tasks_total",
        "counter",
        f"Tasks by how they ended: {', '.join(OUTCOMES)}.",
        ("queue", "task", "outcome"),
    ),
    Metric("fleet_task_duration_seconds", "histogram", "How long tasks ran.", _TASK),
    Metric(
        "fleet_task_wait_seconds",
        "histogram",
        "How long messages waited from when they were sent, or due, until they began.",
        _TASK,
    ),
    Metric("fleet_task_cpu_seconds_total", "counter", "CPU time of tasks.", _TASK),
    Metric("fleet_task_last_success_timestamp_seconds", "gauge", "When one last succeeded.", _TASK),
    Metric(
        "fleet_schedule_last_success_timestamp_seconds",
        "gauge",
        "When a run of it last succeeded.",
        _SCHEDULE,
    ),
    Metric("fleet_schedule_lateness_seconds", "gauge", "How late its last run was sent.", _SCHEDULE),
    Metric(
        "fleet_schedule_next_run_timestamp_seconds",
        "gauge",
        "When its next run is to be sent; in the past: it is late. Absent while none is, as when paused.",
        _SCHEDULE,
    ),
    Metric("fleet_alerts_firing", "gauge", "1 while the alert fires; absent when it does not.", ("alert",)),
    Metric("fleet_history_bytes", "gauge", "Size of history.db."),
    Metric(
        "fleet_telemetry_dropped_total",
        "counter",
        "What was not kept: failures that were counted without a look (errors), points that no disk took (disk).",
        ("why",),
    ),
)
