"""The numbers of one worker as Prometheus reads them: each with its kind, whatever a task is called."""

from __future__ import annotations

from fleet.control import Report
from fleet.worker.exposition import exposition

REPORT = Report(
    "http/0", 7, "r1", "ready", concurrency=4, in_flight=3, succeeded=5, tasks={'a"\n\\': [2, 0.5, 0.1]}
)


def test_a_worker_tells_its_slots_and_outcomes() -> None:
    lines = exposition("http", REPORT).splitlines()
    assert 'fleet_group_slots{group="http"} 4' in lines
    assert 'fleet_group_busy_slots{group="http"} 3' in lines
    assert 'fleet_worker_up{group="http",worker="http/0"} 1' in lines
    assert 'fleet_worker_tasks_total{group="http",worker="http/0",outcome="succeeded"} 5' in lines
    assert "fleet_broker_up 1" in lines
    assert "# TYPE fleet_worker_tasks_total counter" in lines


def test_a_task_of_any_name_stays_on_its_line() -> None:
    assert 'fleet_worker_task_runs_total{task="a\\"\\n\\\\"} 2' in exposition("http", REPORT).splitlines()


def test_a_worker_without_tasks_tells_of_none() -> None:
    told = exposition("http", Report("http/0", 7, "r1", "draining", broker_error="gone"))
    assert "task_runs" not in told
    assert "fleet_broker_up 0" in told
    assert 'fleet_worker_up{group="http",worker="http/0"} 0' in told
