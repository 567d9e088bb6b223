"""The numbers of one worker in the text format of Prometheus: for a pod, whose engine asks the worker itself."""

from __future__ import annotations

from collections.abc import Iterator

from fleet import __version__
from fleet.control import Report

Sample = tuple[dict[str, str], float]


def exposition(group: str, report: Report) -> str:
    """The names are those of the fleet's own metrics; labels are bounded by what the app declares."""
    worker = {"group": group, "worker": report.worker}
    lines: list[str] = []
    for name, kind, text, samples in (
        ("fleet_build_info", "gauge", "Version of fleet.", [({"version": __version__}, 1.0)]),
        (
            "fleet_broker_up",
            "gauge",
            "Whether the worker has its broker.",
            [({}, float(not report.broker_error))],
        ),
        (
            "fleet_group_slots",
            "gauge",
            "Tasks that it may run at once.",
            [({"group": group}, report.concurrency)],
        ),
        ("fleet_group_busy_slots", "gauge", "Tasks that it runs.", [({"group": group}, report.in_flight)]),
        ("fleet_worker_up", "gauge", "Whether it consumes.", [(worker, float(report.state == "ready"))]),
        ("fleet_worker_memory_bytes", "gauge", "Of it and its processes.", [(worker, report.rss_bytes)]),
        ("fleet_worker_tasks_total", "counter", "Tasks by outcome.", list(_outcomes(worker, report))),
        (
            "fleet_worker_task_runs_total",
            "counter",
            "Tasks that ran.",
            [({"task": task}, totals[0]) for task, totals in sorted(report.tasks.items())],
        ),
        (
            "fleet_worker_task_seconds_total",
            "counter",
            "Seconds that tasks ran.",
            [({"task": task}, totals[1]) for task, totals in sorted(report.tasks.items())],
        ),
    ):
        if samples:
            lines += (f"# HELP {name} {text}", f"# TYPE {name} {kind}")
            lines += (f"{name}{_labels(labels)} {float(value):g}" for labels, value in samples)
    return "\n".join(lines) + "\n"


def _outcomes(worker: dict[str, str], report: Report) -> Iterator[Sample]:
    for outcome in ("succeeded", "failed", "retried", "rejected", "revoked", "expired"):
        yield {**worker, "outcome": outcome}, float(getattr(report, outcome))


def _labels(labels: dict[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
