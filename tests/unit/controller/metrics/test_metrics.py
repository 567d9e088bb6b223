"""Metrics: what is exposed of a status and a ledger, and whether promtool has a complaint."""

from __future__ import annotations

import shutil
import subprocess
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from fleet.controller.history.fleet_counters import FleetCounters
from fleet.controller.history.totals import Key, Totals
from fleet.controller.metrics.exposition import exposed
from fleet.controller.metrics.metric_names import METRICS
from fleet.controller.metrics.metric_values import of_counters, of_status, of_tasks
from fleet.supervisor.client import LastExit, Program
from fleet.telemetry import CPU, DURATIONS, SUCCEEDED, WAITED, WAITS, WALL, Statistics, TaskEntry, nothing

QUEUE = {
    "name": "io",
    "ready": 4,
    "unacked": None,
    "delayed": 2,
    "dead": 1,
    "oldest_seconds": None,
    "consumers": 3,
}
WORKER = {"id": "http/0", "state": "ready", "rss_bytes": 100, "in_flight": 1, "concurrency": 4}
STATUS: dict[str, Any] = {
    "state": "degraded",
    "broker": {"error": None},
    "config": {"rejected": None, "loaded_at": "2026-11-29T20:00:00Z"},
    "queues": [QUEUE],
    "schedules": [
        {
            "name": "nightly",
            "succeeded_at": "2026-11-29T03:00:41Z",
            "next_at": "2026-11-30T03:00:00Z",
            "last": {"late_seconds": 0.003},
        },
        {"name": "new", "succeeded_at": None, "next_at": None, "last": None},
    ],
    "groups": [
        {
            "name": "http",
            "replicas": {"desired": 2, "ready": 1},
            "paused": False,
            "overrides": [{}],
            "workers": [WORKER, {**WORKER, "state": "draining", "rss_bytes": None}],
        }
    ],
}


def ledger() -> Totals:
    numbers = nothing()
    numbers[SUCCEEDED], numbers[WALL], numbers[CPU], numbers[WAITED] = 3, 1.5, 0.5, 0.25
    numbers[DURATIONS + 4] = numbers[WAITS + 2] = 3
    return Totals(
        totals={Key("task", "io", 'a"b\\c\n'): numbers, Key("group", "http"): numbers},
        last_success={Key("task", "io", 'a"b\\c\n'): 1e9},
    )


def counters() -> FleetCounters:
    found = FleetCounters()
    found.see_programs({"http:0.1": program(restarts=2, code=1)})
    found.add("rollouts", "http", "finished")
    found.add("rollouts", "gone", "finished")
    found.scaled("http", 1, 2)
    return found


def program(restarts: int, code: int, token: str = "t") -> Program:
    last = LastExit(code=code, signal=None, at=0.0, uptime_seconds=1.0, log_tail=()) if restarts else None
    labels = {"replica": 0, "serial": 1, "token": token}
    return Program("http", "0.1", "running", 7, 1.0, 1.0, restarts, None, last, labels)


def text(accept: str = "text/plain") -> str:
    samples = [
        *of_status(STATUS),
        *of_counters(counters(), frozenset({"http"})),
        *of_tasks(ledger()),
        ("fleet_history_bytes", (), 5),
        ("fleet_telemetry_dropped_total", ("errors",), 0),
        ("fleet_alerts_firing", ("queue_waits:io",), 1),
    ]
    return exposed(samples, accept)[0].decode()


def value(name: str, **labels: str) -> float | None:
    for family in text_string_to_metric_families(text()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return None


def test_every_metric_that_is_named_is_exposed_and_no_other() -> None:
    lines = [line.split()[2] for line in text().splitlines() if line.startswith("# TYPE")]
    named = {each.name for each in METRICS} - {"fleet_queue_oldest_message_age_seconds"}
    assert set(lines) == named, "the age is not known here"


def test_what_is_not_known_is_absent_and_not_zero() -> None:
    assert value("fleet_queue_messages", queue="io", state="ready") == 4
    assert value("fleet_queue_messages", queue="io", state="unacked") is None
    assert "fleet_queue_oldest_message_age_seconds" not in text()


def test_a_slot_with_two_workers_is_one_series() -> None:
    assert value("fleet_worker_up", group="http", worker="http/0") == 1
    assert value("fleet_worker_memory_bytes", group="http", worker="http/0") == 100
    assert value("fleet_group_slots", group="http") == 8
    assert value("fleet_healthy") == 0


def test_tasks_have_outcomes_and_two_histograms_and_hostile_names_are_escaped() -> None:
    labels = {"queue": "io", "task": 'a"b\\c\n'}
    assert value("fleet_tasks_total", **labels, outcome="succeeded") == 3
    assert value("fleet_task_duration_seconds_bucket", **labels, le="0.0075") == 0
    assert value("fleet_task_duration_seconds_bucket", **labels, le="0.01") == 3
    assert value("fleet_task_duration_seconds_bucket", **labels, le="86400") == 3
    assert value("fleet_task_wait_seconds_sum", **labels) == 0.25
    assert value("fleet_task_wait_seconds_count", **labels) == 3


def test_a_schedule_tells_its_last_success_its_lateness_and_its_next_run() -> None:
    assert value("fleet_schedule_last_success_timestamp_seconds", schedule="nightly") == 1795921241
    assert value("fleet_schedule_next_run_timestamp_seconds", schedule="nightly") == 1796007600
    assert value("fleet_schedule_lateness_seconds", schedule="nightly") == 0.003
    assert 'schedule="new"' not in text(), "nothing is known of it yet"


def test_counters_are_of_declared_groups_only() -> None:
    assert value("fleet_rollouts_total", group="http", outcome="finished") == 1
    assert value("fleet_rollouts_total", group="gone", outcome="finished") is None
    assert value("fleet_scaling_decisions_total", group="http", direction="up") == 1


def test_starts_and_crashes_are_counted_once_also_by_the_next_controller() -> None:
    first = FleetCounters()
    first.see_programs({"http:0.1": program(0, 0)})
    first.see_programs({"http:0.1": program(2, 1)})
    second = FleetCounters()
    second.restore(first.to_json())
    second.see_programs({"http:0.1": program(2, 1)})
    second.see_programs({"http:0.1": program(3, 0)})  # drained: no crash
    second.see_programs({"http:0.1": program(0, 0, token="another program of that name")})
    assert second.counts["worker_starts", "http", "http/0"] == 5
    assert second.counts["worker_crashes", "http", "http/0"] == 2


def test_openmetrics_is_spoken_to_who_asks_for_it() -> None:
    assert text("application/openmetrics-text; version=1.0.0").endswith("# EOF\n")


def test_promtool_has_no_complaint() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed: apt-get install prometheus")
    done = subprocess.run(
        [promtool, "check", "metrics"], input=text(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def series(history: Totals, counted: FleetCounters) -> set[str]:
    samples = [*of_status(STATUS), *of_counters(counted, frozenset({"http"})), *of_tasks(history)]
    lines = exposed(samples, "text/plain")[0].decode().splitlines()
    return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}


def test_fifty_restarts_of_a_worker_make_no_new_series() -> None:
    history, counted = Totals(), FleetCounters()
    seen = []
    for number in range(50):
        numbers = nothing()
        numbers[SUCCEEDED] = 1
        told = Statistics("http/0", 100 + number, f"{number:x}", (TaskEntry("io", "t", numbers, 1e9),))
        history.take(told, 1e9 + number)
        counted.see_programs({f"http:0.{number}": program(0, 0, token=str(number))})
        seen.append(series(history, counted))
    assert seen[0] == seen[-1]
    assert counted.counts["worker_starts", "http", "http/0"] == 50
    assert history.totals[Key("task", "io", "t")][SUCCEEDED] == 50
