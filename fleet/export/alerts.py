"""Rules for Prometheus: the fleet's alerts, with each queue's own threshold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from fleet.config.model import Fleet
from fleet.export.facts import Facts, sends_by_clock
from fleet.export.problem import Problem
from fleet.export.watched import WatchedQueue, label, watched_queues
from fleet.export.yaml_text import document

_HEAD = """\
Written by `fleet export alerts`; load it with `rule_files` of prometheus.yml.
The metrics come from the controller (docs/reference/metrics.md). Where several fleets share a Prometheus, give each
its own `job`, which every alert carries."""


def files(facts: Facts) -> tuple[dict[str, str], list[Problem]]:
    """By relative path."""
    rules = [
        *_of_fleet(),
        *_of_schedules(facts.fleet),
        *(rule for queue in watched_queues(facts.fleet) for rule in _of_queue(queue)),
    ]
    whole = {"groups": [{"name": f"fleet-{facts.slug}", "rules": [each.written() for each in rules]}]}
    return {f"fleet-{facts.slug}.rules.yaml": document(whole, _HEAD)}, []


class _Rule(NamedTuple):
    """`wait`: how long the expression must hold."""

    name: str
    expr: str
    wait: str
    severity: str
    summary: str
    remedy: str
    queue: str | None = None

    def written(self) -> dict[str, Any]:
        """As Prometheus reads it."""
        of_queue = {"queue": _literal(self.queue)} if self.queue else {}
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.wait,
            "labels": {"severity": self.severity, **of_queue},
            "annotations": {"summary": self.summary, "description": self.remedy},
        }


def _literal(text: str) -> str:
    """For Prometheus, which takes values for templates."""
    return text.replace("{{", '{{"{{"}}')


def _of_fleet() -> Iterator[_Rule]:
    yield _Rule(
        "FleetMetricsAbsent",
        "absent(fleet_healthy)",
        "5m",
        "critical",
        summary="no metrics of the fleet",
        remedy="`fleet status` on its host says whether it runs.",
    )
    yield _Rule(
        "FleetUnhealthy",
        "fleet_healthy == 0",
        "10m",
        "warning",
        summary="the fleet is degraded",
        remedy="`fleet status` has the reasons with their remedies.",
    )
    yield _Rule(
        "FleetBrokerDown",
        "fleet_broker_up == 0",
        "1m",
        "critical",
        summary="the fleet can't reach its broker",
        remedy="Nothing is lost; workers go on when it is back. `fleet status` says what it answers.",
    )
    yield _Rule(
        "FleetConfigRejected",
        "fleet_config_last_reload_successful == 0",
        "5m",
        "warning",
        summary="fleet.toml has errors and is not in force",
        remedy="`fleet validate` shows them; the fleet goes on with what was last accepted.",
    )
    yield _Rule(
        "FleetGroupNotReady",
        "fleet_group_replicas_ready < fleet_group_replicas_desired",
        "5m",
        "critical",
        summary="{{ $labels.group }} has too few workers",
        remedy="`fleet status` says why; `fleet logs {{ $labels.group }}` has their last words.",
    )
    yield _Rule(
        "FleetCrashLoop",
        "increase(fleet_worker_crashes_total[10m]) >= 3",
        "0m",
        "critical",
        summary="{{ $labels.worker }} crashes again and again",
        remedy="`fleet logs {{ $labels.worker }}` has its last words.",
    )


def _of_schedules(fleet: Fleet) -> Iterator[_Rule]:
    if sends_by_clock(fleet):
        yield _Rule(
            "FleetScheduleMissed",
            "time() - fleet_schedule_next_run_timestamp_seconds > 60",
            "0m",
            "critical",
            summary="a run of schedule {{ $labels.schedule }} was missed",
            remedy="`fleet schedule list` shows what is due, `fleet logs scheduler` why it is not sent.",
        )


def _of_queue(queue: WatchedQueue) -> Iterator[_Rule]:
    of, most = f"{{queue={label(queue.name)}}}", f"{queue.wait_seconds:g}"
    shown = _literal(queue.name)
    yield _Rule(
        "FleetQueueWaits",
        f"fleet_queue_oldest_message_age_seconds{of} > {most}"
        f" or histogram_quantile(0.95, sum by (queue, le) (rate(fleet_task_wait_seconds_bucket{of}[5m]))) > {most}",
        "1m",
        "critical",
        queue=queue.name,
        summary=f"messages of {shown} wait for more than {most} s",
        remedy=f"`fleet status --why GROUP` says why there are not more workers. Threshold: {queue.said}.",
    )
    yield _Rule(
        "FleetDeadLettersGrow",
        f"delta(fleet_queue_dead_messages{of}[15m]) > 0",
        "0m",
        "warning",
        queue=queue.name,
        summary=f"more dead letters of {shown}",
        remedy=f"`fleet dead list --queue {shown}` shows them with their reasons.",
    )
    yield _Rule(
        "FleetTasksFail",
        f'sum by (queue) (rate(fleet_tasks_total{{queue={label(queue.name)},outcome="failed"}}[10m]))'
        f" / sum by (queue) (rate(fleet_tasks_total{of}[10m])) > 0.05",
        "10m",
        "warning",
        queue=queue.name,
        summary=f"more than 5 % of the tasks of {shown} fail for good",
        remedy="The page Failed of `fleet dashboard` groups them by error.",
    )
