"""Who says nothing because a task lets nobody else run is let be, and its claims are kept; nobody else's are."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import Any

import pytest

from fleet.control import Report
from fleet.controller.observed.changes import worker_changes
from fleet.controller.observed.observe import LatestReport, Observation, Remarks, State, observe
from fleet.controller.observed.procstat import ProcessStat, parse, read_stat
from fleet.controller.observed.unresponsive import PATIENCE_SECONDS, Silence, Unresponsive, absorbed
from fleet.controller.rollout.plan import plan
from fleet.supervisor.client import Program, Snapshot
from tests.unit.controller.world import fleet, group

GROUP = group(replicas=1)
NAME = "http:0.1"
NOW = 1000.0


def judged(silence: Silence, **spec: Any) -> str | None:
    return absorbed(silence, replace(GROUP.spec, **spec))


@pytest.mark.parametrize("state", ["R", "S", "D"])
def test_a_process_that_uses_its_cpu_is_at_work_however_long(state: str) -> None:
    why = judged(Silence(3600.0, state, still_seconds=0.5))
    assert why == "a task computes and lets nothing else run"


def test_one_that_waits_is_for_a_while() -> None:
    assert "waits" in str(judged(Silence(15.0, "S", still_seconds=15.0)))
    assert judged(Silence(PATIENCE_SECONDS + 1, "S", still_seconds=PATIENCE_SECONDS + 1)) is None


@pytest.mark.parametrize("state", ["T", "t", "Z", "X"])
def test_who_is_stopped_or_dead_is_not_at_work(state: str) -> None:
    assert judged(Silence(10.0, state, still_seconds=0.0)) is None


def test_the_hard_time_limit_holds() -> None:
    assert judged(Silence(80.0, "R", 0.0), time_limit_seconds=60.0)
    assert judged(Silence(91.0, "R", 0.0), time_limit_seconds=60.0) is None


@pytest.mark.parametrize("pool", ["gevent", "eventlet"])
def test_a_green_pool_is_not_blocked_for_ever(pool: str) -> None:
    assert judged(Silence(30.0, "R", 0.0), pool=pool)
    assert judged(Silence(PATIENCE_SECONDS + 1, "R", 0.0), pool=pool) is None


def test_in_prefork_no_task_can_be_the_reason() -> None:
    assert judged(Silence(10.0, "R", 0.0), pool="prefork") is None


def test_the_pulse_is_read_behind_any_name() -> None:
    assert parse(b"7 (a) R (b) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0").state == "S"
    mine = read_stat(os.getpid())
    assert mine is not None
    assert mine.state in "RS"
    assert 0 < mine.cpu_seconds < sum(os.times()[:2]) + 1
    assert read_stat(2**22 + 1) is None


def observation(*, silent: float, reasons: dict[str, str] | None = None, state: str = "ready") -> Observation:
    labels = {"role": "worker", "replica": "0", "serial": "1", "revision": GROUP.revision}
    program = Program("http", "0.1", "running", 7, 0.0, 500.0, 0, None, None, labels)
    report = Report("http/0", 7, GROUP.revision, state, live_revision=GROUP.live_revision)
    return observe(
        Snapshot(1, 1, 1.0, stopping=False, programs=(program,)),
        {7: LatestReport(report, NOW - silent, 500.0)},
        listening_since=0.0,
        now=NOW,
        remarks=Remarks(absorbed=reasons or {}),
    )


def test_who_is_absorbed_stays_what_it_was_and_nothing_is_done_about_it() -> None:
    (worker,) = observation(silent=20.0, reasons={NAME: "busy"}).workers
    assert (worker.state, worker.absorbed) == (State.READY, "busy")
    assert plan(fleet(GROUP), [worker], NOW) == []


def test_the_log_says_once_why_it_is_left_alone() -> None:
    heard, mute = observation(silent=1.0), observation(silent=20.0, reasons={NAME: "busy"})
    (said,) = worker_changes(heard, mute)
    assert said == ("WARNING", "http/0 (pid 7) does not report, and is left alone: busy")
    assert list(worker_changes(mute, mute)) == []
    assert list(worker_changes(mute, heard)) == []


def test_who_is_silent_without_a_reason_or_was_never_up_is_silent() -> None:
    assert observation(silent=20.0, reasons={}).workers[0].state is State.SILENT
    assert observation(silent=20.0, reasons={NAME: "busy"}, state="starting").workers[0].state is State.SILENT


def test_who_reports_is_not_absorbed_whatever_was_found_a_moment_ago() -> None:
    assert observation(silent=1.0, reasons={NAME: "busy"}).workers[0].absorbed is None


class Process:
    """One worker's, watched from outside."""

    def __init__(self, state: str = "R") -> None:
        self.pulse: ProcessStat | None = ProcessStat(state, 10.0)
        self.heard_at = 0.0
        self.kept = 0
        self.absorbed = Unresponsive(lambda _: self.heard_at, read=lambda _: self.pulse, keep=self._keep)

    def _keep(self, _program: Program) -> None:
        self.kept += 1

    async def look(self, now: float) -> None:
        effective, renewing = fleet(GROUP), self.kept
        self.absorbed.look(observation(silent=0.0), effective, now)
        for watched in self.absorbed._watched.values():
            while watched.renewing:
                await asyncio.sleep(0.001)
        assert self.kept - renewing in (0, 1)


def test_the_lease_is_renewed_each_third_of_it_while_the_process_works() -> None:
    async def go() -> Process:
        process = Process()
        process.heard_at = NOW
        for second in range(41):  # the lease is 30 s
            process.pulse = ProcessStat("R", 10.0 + second)
            await process.look(NOW + second)
        return process

    process = asyncio.run(go())
    assert process.kept == 4, "10, 20, 30 and 40 s after its last report"
    assert NAME in process.absorbed.reasons


def test_nothing_is_kept_for_who_reports_is_stopped_or_gone() -> None:
    async def go() -> None:
        for pulse, silent in ((ProcessStat("R", 1.0), 2.0), (ProcessStat("T", 1.0), 20.0), (None, 20.0)):
            process = Process()
            process.pulse, process.heard_at = pulse, NOW
            await process.look(NOW + silent)
            assert (process.kept, process.absorbed.reasons) == (0, {})

    asyncio.run(go())


def test_a_tick_of_cpu_now_and_then_is_no_work() -> None:
    """A library's own thread may have it in a process that is deadlocked otherwise."""

    async def go() -> Process:
        process = Process("S")
        process.heard_at = NOW
        for second in range(5, 75, 5):
            process.pulse = ProcessStat("S", 10.0 + second * 0.002)
            await process.look(NOW + second)
        return process

    process = asyncio.run(go())
    assert process.absorbed.reasons == {}
