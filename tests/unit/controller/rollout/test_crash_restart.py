"""Who has crashed starts again at once if it was well and died of its work; else the supervisor's pauses stand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fleet.control import Report
from fleet.controller.observed.observe import LatestReport, Observation, observe
from fleet.controller.rollout.crash_restart import MOST_IN_A_ROW, CrashRestarts
from fleet.launch_specs import Exit
from fleet.supervisor.client import LastExit, Program, Snapshot

LABELS = {"role": "worker", "replica": 0, "serial": 1, "revision": "r"}


def observation(
    *, at: float = 1.0, report: Report | None, state: str = "backoff", **last: Any
) -> Observation:
    ended = replace(LastExit(at, None, 9, 0.5), **last)
    program = Program("w", "0.1", state, 0, 0.0, 0.0, 3, 1.0, ended, labels=LABELS)
    reports = {} if report is None else {report.pid: LatestReport(report, at, None)}
    snapshot = Snapshot(1, 1, 1.0, stopping=False, programs=(program,))
    return observe(snapshot, reports, listening_since=0.0, now=at)


def said(state: str = "ready", **more: Any) -> Report:
    return Report("w/0", 77, "r", state, **more)


def due(comebacks: CrashRestarts, seen: Observation) -> list[str]:
    return [why for _, why in comebacks.due(seen)]


def test_who_was_ready_and_had_begun_something_is_due_once_per_exit() -> None:
    comebacks = CrashRestarts()
    seen = observation(report=said(in_flight=3))
    assert due(comebacks, seen) == ["it was ready, and had 3 in flight"]
    assert due(comebacks, seen) == []
    again = observation(at=2.0, report=said(in_flight=1, alone="work.kill[1]"))
    assert due(comebacks, again) == ["work.kill[1] ran alone"]


def test_who_never_got_ready_or_began_nothing_waits() -> None:
    for report in (None, said("starting"), said()):
        assert due(CrashRestarts(), observation(report=report)) == []


def test_who_could_not_boot_or_was_killed_for_doing_no_work_waits() -> None:
    busy = said(in_flight=1)
    assert due(CrashRestarts(), observation(report=busy, code=Exit.BOOT_FAILED, signal=None)) == []
    assert due(CrashRestarts(), observation(report=busy, reason="its loop has not turned")) == []


def test_where_everything_kills_the_pauses_come_back_until_something_succeeds() -> None:
    comebacks = CrashRestarts()
    at = 0.0
    for _ in range(MOST_IN_A_ROW):
        at += 1
        assert due(comebacks, observation(at=at, report=said(in_flight=1)))
    assert not due(comebacks, observation(at=at + 1, report=said(in_flight=1)))
    assert due(comebacks, observation(at=at + 2, report=said(in_flight=1, succeeded=1)))
    assert due(comebacks, observation(at=at + 3, report=said(in_flight=1)))
