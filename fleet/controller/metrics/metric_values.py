"""The samples of each metric, from a status and the ledger of all tasks. Pure: plain values, no library.

A number that is not known is absent, never 0.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from itertools import accumulate
from typing import Any, NamedTuple

from fleet import __version__
from fleet.controller.history.fleet_counters import FleetCounters
from fleet.controller.history.totals import Key, Totals
from fleet.histogram import BOUNDS
from fleet.telemetry import CPU, DURATIONS, OUTCOMES, WAITED, WAITS, WALL

Labels = tuple[str, ...]
Number = tuple[str, Labels, float]  # name of the metric, values of its labels, value


class Distribution(NamedTuple):
    """A histogram: (upper bound as text, how many up to it), and the sum of all."""

    name: str
    labels: Labels
    buckets: list[tuple[str, float]]
    total: float


def of_status(status: Mapping[str, Any]) -> Iterator[Number]:
    """`status` as controller/api/status.py makes it."""
    yield "fleet_build_info", (__version__,), 1
    yield "fleet_healthy", (), int(status["state"] == "healthy")
    yield "fleet_broker_up", (), int(status["broker"]["error"] is None)
    yield "fleet_config_last_reload_successful", (), int(status["config"]["rejected"] is None)
    loaded = datetime.fromisoformat(status["config"]["loaded_at"]).timestamp()
    yield "fleet_config_last_reload_success_timestamp_seconds", (), loaded
    for group in status["groups"]:
        yield from _of_group(group)
    for queue in status["queues"]:
        yield from _of_queue(queue)
    yield from of_schedules(status["schedules"])


def _of_group(group: Mapping[str, Any]) -> Iterator[Number]:
    name, workers = group["name"], group["workers"]
    yield "fleet_group_replicas_desired", (name,), group["replicas"]["desired"]
    yield "fleet_group_replicas_ready", (name,), group["replicas"]["ready"]
    yield "fleet_group_paused", (name,), int(group["paused"])
    yield "fleet_group_overridden", (name,), int(bool(group["overrides"]))
    yield "fleet_group_slots", (name,), sum(each["concurrency"] or 0 for each in workers)
    yield "fleet_group_busy_slots", (name,), sum(each["in_flight"] or 0 for each in workers)
    slots: dict[str, list[Mapping[str, Any]]] = {}
    for each in workers:  # in a rollout a slot has two
        slots.setdefault(each["id"], []).append(each)
    for slot, those in slots.items():
        yield "fleet_worker_up", (name, slot), int(any(each["state"] == "ready" for each in those))
        known = [each["rss_bytes"] for each in those if each["rss_bytes"] is not None]
        if known:
            yield "fleet_worker_memory_bytes", (name, slot), sum(known)


def _of_queue(queue: Mapping[str, Any]) -> Iterator[Number]:
    name = queue["name"]
    for state in ("ready", "unacked", "delayed"):
        if queue[state] is not None:
            yield "fleet_queue_messages", (name, state), queue[state]
    for metric, key in (
        ("fleet_queue_dead_messages", "dead"),
        ("fleet_queue_oldest_message_age_seconds", "oldest_seconds"),
        ("fleet_queue_consumers", "consumers"),
    ):
        if queue[key] is not None:
            yield metric, (name,), queue[key]


def of_schedules(schedules: Iterable[Mapping[str, Any]]) -> Iterator[Number]:
    """Each as in the status."""
    for schedule in schedules:
        yield from _of_schedule(schedule)


def _of_schedule(schedule: Mapping[str, Any]) -> Iterator[Number]:
    labels = (schedule["name"],)
    for metric, at in (
        ("fleet_schedule_last_success_timestamp_seconds", schedule["succeeded_at"]),
        ("fleet_schedule_next_run_timestamp_seconds", schedule["next_at"]),
    ):
        if at is not None:
            yield metric, labels, datetime.fromisoformat(at).timestamp()
    late = (schedule["last"] or {}).get("late_seconds")
    if late is not None:
        yield "fleet_schedule_lateness_seconds", labels, late


def of_counters(counters: FleetCounters, groups: frozenset[str]) -> Iterator[Number]:
    """Of the groups that are declared."""
    for (name, *labels), value in sorted(counters.counts.items()):
        if labels[0] in groups:
            yield f"fleet_{name}_total", tuple(labels), value


def of_tasks(ledger: Totals) -> Iterator[Number | Distribution]:
    """The tasks that any worker has told of, ever."""
    for key, numbers in sorted(ledger.totals.items()):
        if key.kind == "task":
            yield from _of_task(key, numbers, ledger.last_success.get(key))


def _of_task(key: Key, numbers: list[float], last_success: float | None) -> Iterator[Number | Distribution]:
    labels = (key.name, key.task)
    for outcome, count in zip(OUTCOMES, numbers, strict=False):
        yield "fleet_tasks_total", (*labels, outcome), count
    yield "fleet_task_cpu_seconds_total", labels, numbers[CPU]
    if last_success:
        yield "fleet_task_last_success_timestamp_seconds", labels, last_success
    yield Distribution(
        "fleet_task_duration_seconds", labels, _cumulative(numbers[DURATIONS:WAITS]), numbers[WALL]
    )
    yield Distribution("fleet_task_wait_seconds", labels, _cumulative(numbers[WAITS:]), numbers[WAITED])


def _cumulative(counts: list[float]) -> list[tuple[str, float]]:
    bounds = [*(f"{bound:g}" if bound < 1e5 else f"{bound:.0f}" for bound in BOUNDS), "+Inf"]
    return list(zip(bounds, accumulate(counts), strict=True))
