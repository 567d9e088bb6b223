"""What the controller makes of programs and reports: states, and whom it believes to be in trouble."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.control import Report
from fleet.controller.observed.heartbeat_timeout import SILENT_AFTER_SECONDS
from fleet.controller.observed.observe import LatestReport, SeenWorker, State, observe
from fleet.supervisor.client import Program, Snapshot

NOW = 1000.0


def see(
    report: dict[str, Any] | None = None, *, age: float = 0.5, since: float = 0.0, **more: Any
) -> SeenWorker:
    """One running worker whose last report, if any, is `age` seconds old."""
    values: dict[str, Any] = {
        "state": "running",
        "pid": 42,
        "uptime_seconds": 500.0,
        "restarts": 0,
        "retry_in_seconds": None,
        "last_exit": None,
        **more,
    }
    labels = {"role": "worker", "group": "http", "replica": 0, "serial": 1, "revision": "r"}
    program = Program(group="http", name="0.1", started_at=1.0, labels=labels, **values)
    reports = {}
    if report is not None:
        said = Report(**{"worker": "http/0", "pid": 42, "revision": "r", "state": "ready", **report})
        reports[42] = LatestReport(said, NOW - age, NOW - age if said.state == "ready" else None)
    observation = observe(Snapshot(1, 1, 1.0, False, (program,)), reports, listening_since=since, now=NOW)
    (worker,) = observation.workers
    return worker


def test_reports_that_stop_make_it_silent() -> None:
    assert see({}).state is State.READY
    assert see({}, age=SILENT_AFTER_SECONDS + 1).state is State.SILENT
    assert see({}, age=SILENT_AFTER_SECONDS + 1).been_up


def test_a_controller_that_was_away_itself_blames_nobody() -> None:
    assert see({}, age=SILENT_AFTER_SECONDS + 60, since=NOW - 1).state is State.READY
    assert see(None, since=NOW - 1).state is State.UNKNOWN


def test_trouble_counts_unless_the_broker_is_away() -> None:
    assert see({"trouble": "stuck"}).state is State.TROUBLED
    assert see({"trouble": "stuck", "broker_error": "refused"}).state is State.READY
    assert see({"broker_error": "refused"}).state is State.READY


def test_a_worker_that_asks_to_be_replaced_stays_ready() -> None:
    worn = see({"recycle": "max_age = 1h"})
    assert (worn.state, worn.recycle) == (State.READY, "max_age = 1h")


@pytest.mark.parametrize("state", ["stopping", "backoff", "failed"])
def test_the_supervisor_knows_better_than_an_old_report(state: str) -> None:
    shown = see({}, state=state).state
    assert shown is State(state)
