"""What could not be done is remembered until it is, since its first try; nothing unexpected ends a look."""

from __future__ import annotations

import asyncio
import errno
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.controller.log.events import EventLog
from fleet.controller.log.failures import Failed, Failures, Since
from fleet.controller.observed.observe import Observation
from fleet.controller.reconciler import Reconciler
from fleet.controller.rollout.group_plan import standing
from fleet.controller.rollout.progress import impossible, judge, rollouts, stuck
from fleet.controller.state.revisions import Revisions
from fleet.statedir import StateDir
from fleet.supervisor.client import Program, Snapshot
from tests.unit.controller.world import fleet, group, worker

FULL = Failed("start http/0", "the disk is full", "http")


def test_the_first_try_counts_until_it_succeeds(monkeypatch: pytest.MonkeyPatch) -> None:
    failures, now = Failures(EventLog()), [100.0]
    monkeypatch.setattr("fleet.controller.log.failures.time.monotonic", lambda: now[0])
    assert failures.tried("actions", [FULL])
    now[0] = 150.0
    assert not failures.tried("actions", [FULL])
    assert failures.by_group()["http"].monotonic == 100.0
    failures.tried("memory", [])
    assert failures.concerning(["http"]) == ["could not start http/0: the disk is full"]
    assert failures.concerning(["other"]) == []
    failures.tried("actions", [])
    assert failures.by_group() == {}
    failures.tried("actions", [FULL])
    assert failures.by_group()["http"].monotonic == 150.0, "a new one"


def test_what_is_about_the_fleet_concerns_every_command() -> None:
    failures = Failures(EventLog())
    failures.tried_one(
        "journal", "write the event log", OSError(errno.ENOSPC, "No space left on device", "/x/events")
    )
    assert failures.concerning(["any"]) == [
        "could not write the event log: No space left on device (/x/events)"
    ]
    assert failures.shown()[0]["group"] is None


def observation(seconds_ago: float) -> Observation:
    """One old worker; since so long no new one could be started."""
    old, now = worker(0, of=group("http", 1, version=1)), time.monotonic()
    program = Program("http", "0.1", "running", 7, 0.0, 9.0, 0, None, None)
    since = {"http": Since(FULL, now - seconds_ago, 0.0)}
    return Observation(Snapshot(1, 1, 0.0, False), (old,), {old.name: program}, {}, now, since)


@pytest.mark.parametrize("on_failure", ["rollback", "pause"])
def test_what_can_not_be_started_counts_for_the_deadline(on_failure: str) -> None:
    new = group("http", 1, version=2)
    new = replace(new, rollout=replace(new.rollout, progress_deadline_seconds=5.0, on_failure=on_failure))
    wanted, known = fleet(new), Revisions().trust(group("http", 1, version=1))
    early, late = observation(4.0), observation(6.0)
    assert stuck(wanted, early, ["http"]) is None
    assert judge(wanted, early, known, 0.0).failures == ()
    assert [view.state for view in rollouts(wanted, wanted, early, known)] == ["progressing"]

    assert stuck(wanted, late, ["http"]) == "could not start http/0: the disk is full"
    after = judge(wanted, late, known, 0.0)
    (view,) = rollouts(wanted, wanted, late, after)
    assert view.state == ("rolled back" if on_failure == "rollback" else "halted")
    assert view.reason.startswith("could not start http/0: the disk is full")


def test_a_group_that_is_as_declared_is_not_rolled_back() -> None:
    same = group("http", 1, version=1)
    late = observation(1000.0)
    assert impossible(standing(same, late.workers, late.now), late) is not None
    assert judge(fleet(same), late, Revisions().trust(same), 0.0).failures == ()


def test_an_unexpected_exception_is_shown_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reconciler = Reconciler(tmp_path / "fleet.toml", None, StateDir(tmp_path), EventLog())

    async def bug() -> bool:
        raise AssertionError("never\nthought of")

    monkeypatch.setattr(reconciler, "_reconcile", bug)
    assert asyncio.run(reconciler._reconcile_safely())
    assert asyncio.run(reconciler._reconcile_safely())
    (shown,) = reconciler.failures.shown()
    assert "this is a bug in fleet" in shown["reason"]
    assert capsys.readouterr().err.count("Traceback") == 1
