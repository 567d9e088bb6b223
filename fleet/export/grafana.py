"""A dashboard for Grafana: queues against their thresholds, groups, tasks, workers."""

from __future__ import annotations

import hashlib
import json
from itertools import count
from typing import Any

from fleet.export.facts import Facts
from fleet.export.problem import Problem
from fleet.export.watched import WatchedQueue, label, watched_queues

_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_WIDTH = 24


def files(facts: Facts) -> tuple[dict[str, str], list[Problem]]:
    """By relative path."""
    queues = watched_queues(facts.fleet)
    panels = _laid_out(
        [*_of_fleet(), *(_waits(queue) for queue in queues), *_of_queues(), *_of_tasks(), *_of_groups()]
    )
    whole = {
        "title": f"fleet {facts.name}",
        "uid": "fleet-" + hashlib.sha256(facts.name.encode()).hexdigest()[:12],
        "tags": ["fleet"],
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "editable": True,
        "templating": {"list": [_datasource(), _job()]},
        "panels": panels,
    }
    return {f"fleet-{facts.slug}.dashboard.json": json.dumps(whole, indent=2) + "\n"}, []


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Prometheus"}


def _job() -> dict[str, Any]:
    """Which fleet, where several share a Prometheus."""
    return {
        "name": "job",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": "label_values(fleet_build_info, job)", "refId": "job"},
        "refresh": 2,
    }


def _panel(
    kind: str, title: str, width: int, *targets: tuple[str, str], unit: str = "short", defaults: Any = None
) -> dict[str, Any]:
    """`targets` are (PromQL with `JOB` where the job's label belongs, legend)."""
    return {
        "type": kind,
        "title": title,
        "datasource": _SOURCE,
        "gridPos": {"h": 4 if kind == "stat" else 8, "w": width},
        "targets": [
            {
                "refId": chr(65 + at),
                "datasource": _SOURCE,
                "expr": expr.replace("JOB", 'job="$job"'),
                "legendFormat": legend,
            }
            for at, (expr, legend) in enumerate(targets)
        ],
        "fieldConfig": {"defaults": {"unit": unit, **(defaults or {})}, "overrides": []},
    }


def _thresholds(*steps: tuple[str, float | None]) -> dict[str, Any]:
    return {
        "thresholds": {
            "mode": "absolute",
            "steps": [{"color": color, "value": value} for color, value in steps],
        }
    }


def _of_fleet() -> list[dict[str, Any]]:
    ok = _thresholds(("red", None), ("green", 1))
    return [
        _panel("stat", "Healthy", 6, ("min(fleet_healthy{JOB})", ""), defaults=ok),
        _panel("stat", "Broker", 6, ("min(fleet_broker_up{JOB})", ""), defaults=ok),
        _panel(
            "stat",
            "fleet.toml in force",
            6,
            ("min(fleet_config_last_reload_successful{JOB})", ""),
            defaults=ok,
        ),
        _panel(
            "stat",
            "Dead letters",
            6,
            ("sum(fleet_queue_dead_messages{JOB})", ""),
            defaults=_thresholds(("green", None), ("orange", 1)),
        ),
    ]


def _waits(queue: WatchedQueue) -> dict[str, Any]:
    """The line at which its alert fires is drawn."""
    of = f"queue={label(queue.name)},JOB"
    rate = f"sum by (le) (rate(fleet_task_wait_seconds_bucket{{{of}}}[5m]))"
    drawn = {
        **_thresholds(("green", None), ("red", queue.wait_seconds)),
        "custom": {"thresholdsStyle": {"mode": "line"}},
    }
    return _panel(
        "timeseries",
        f"How long messages of {queue.name} wait ({queue.said}: {queue.wait_seconds:g} s)",
        12,
        *((f"histogram_quantile({part}, {rate})", f"p{part * 100:g}") for part in (0.5, 0.95, 0.99)),
        (f"fleet_queue_oldest_message_age_seconds{{{of}}}", "oldest that waits"),
        unit="s",
        defaults=drawn,
    )


def _of_queues() -> list[dict[str, Any]]:
    return [
        _panel(
            "timeseries",
            "Messages that are ready",
            12,
            ('fleet_queue_messages{JOB,state="ready"}', "{{queue}}"),
        ),
        _panel("timeseries", "Dead letters by queue", 12, ("fleet_queue_dead_messages{JOB}", "{{queue}}")),
    ]


def _of_tasks() -> list[dict[str, Any]]:
    by_task = "sum by (task, le) (rate(fleet_task_duration_seconds_bucket{JOB}[5m]))"
    return [
        _panel(
            "timeseries",
            "Tasks a second by outcome",
            12,
            ("sum by (outcome) (rate(fleet_tasks_total{JOB}[5m]))", "{{outcome}}"),
            unit="ops",
        ),
        _panel(
            "timeseries",
            "Failed for good a second by task",
            12,
            ('sum by (task) (rate(fleet_tasks_total{JOB,outcome="failed"}[5m]))', "{{task}}"),
            unit="ops",
        ),
        _panel(
            "timeseries",
            "How long tasks run (p95)",
            12,
            (f"histogram_quantile(0.95, {by_task})", "{{task}}"),
            unit="s",
        ),
        _panel(
            "timeseries",
            "CPU seconds a second by task",
            12,
            ("sum by (task) (rate(fleet_task_cpu_seconds_total{JOB}[5m]))", "{{task}}"),
        ),
    ]


def _of_groups() -> list[dict[str, Any]]:
    return [
        _panel(
            "timeseries",
            "Workers",
            12,
            ("fleet_group_replicas_desired{JOB}", "{{group}} desired"),
            ("fleet_group_replicas_ready{JOB}", "{{group}} ready"),
        ),
        _panel(
            "timeseries",
            "Busy slots",
            12,
            ("fleet_group_busy_slots{JOB} / fleet_group_slots{JOB}", "{{group}}"),
            unit="percentunit",
        ),
        _panel(
            "timeseries",
            "Memory",
            12,
            ("sum by (group) (fleet_worker_memory_bytes{JOB})", "{{group}}"),
            unit="bytes",
        ),
        _panel(
            "timeseries",
            "Crashes",
            12,
            ("sum by (group) (increase(fleet_worker_crashes_total{JOB}[10m]))", "{{group}}"),
        ),
    ]


def _laid_out(panels: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """From left to right, row by row."""
    x = y = height = 0
    for panel, ident in zip(panels, count(1), strict=False):
        place = panel["gridPos"]
        if x + place["w"] > _WIDTH:
            x, y = 0, y + height
        place |= {"x": x, "y": y}
        panel["id"], x, height = ident, x + place["w"], place["h"]
    return panels
