"""Hard time limits of pool processes: who is ended, when, and who is not."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.worker.outcome import Outcome
from fleet.worker.pools import deadlines
from fleet.worker.pools.deadlines import Deadlines
from fleet.worker.pools.process import Sent
from tests.unit.worker.pools.prefork_fakes import FakeProcess, FakeReactor, delivery


class Now:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Now:
    clock = Now()
    monkeypatch.setattr(deadlines, "time", clock)
    return clock


class Watch:
    def __init__(self, process: FakeProcess) -> None:
        self.process, self.reactor = process, FakeReactor()
        self.killed: list[Outcome] = []
        self.ends_at_last = False
        self.deadlines = Deadlines(
            self.reactor,  # type: ignore[arg-type]
            {process.pid: process},  # type: ignore[dict-item]
            collect=lambda _process: None,
            seclude=self.seclude,
            kill=lambda _process, outcome: self.killed.append(outcome),
        )

    def seclude(self, process: Any) -> None:
        """Nothing but what it runs is left; if it was idle, nothing at all."""
        if self.ends_at_last:
            process.window.clear()
        else:
            del process.window[1:]

    def look(self) -> None:
        self.deadlines.look_at(0.0)
        self.reactor.calls.sort(key=lambda call: call[0])
        self.reactor.run_next()


def running(limit: float | None, since: float) -> FakeProcess:
    process = FakeProcess(7)
    process.add(Sent(delivery(1), since, limit, 0.001))
    process.current_since = since
    return process


def test_a_task_over_its_hard_limit_is_killed_with_the_limit_as_the_reason(clock: Now) -> None:
    watch = Watch(running(5.0, since=clock.now - 5.0))
    watch.look()
    assert [(each.kind, each.reason) for each in watch.killed] == [("failed", "time limit 5s exceeded")]


def test_a_task_within_its_hard_limit_is_looked_at_when_that_is_over(clock: Now) -> None:
    watch = Watch(running(5.0, since=clock.now - 3.0))
    watch.look()
    assert watch.killed == []
    assert clock.now + 2.0 in [moment for moment, _ in watch.reactor.calls]


def test_a_task_without_a_hard_limit_runs_on(clock: Now) -> None:
    watch = Watch(running(None, since=clock.now - 1e6))
    watch.look()
    assert (watch.killed, watch.reactor.calls) == ([], [])


def test_a_task_that_ends_at_the_last_moment_is_not_killed(clock: Now) -> None:
    watch = Watch(running(5.0, since=clock.now - 6.0))
    watch.ends_at_last = True
    watch.look()
    assert watch.killed == []


def test_what_waits_behind_is_looked_at_as_if_it_began_now(clock: Now) -> None:
    process = running(None, since=clock.now)
    process.add(Sent(delivery(2), clock.now, 7.0, 0.001))
    watch = Watch(process)
    watch.look()
    assert [moment for moment, _ in watch.reactor.calls] == [clock.now + 7.0]


def test_a_process_that_never_begins_what_it_is_sent_is_lost_after_three_limits(clock: Now) -> None:
    process = running(5.0, since=clock.now - 6.0)
    watch = Watch(process)

    def takes_back(of: Any) -> None:
        of.window.clear()
        of.sent -= 1

    watch.deadlines._seclude = takes_back
    for expected in ([], [], ["lost"]):
        process.window = [Sent(delivery(1), clock.now - 6.0, 5.0, 0.001)]
        process.sent += 1
        watch.look()
        watch.reactor.calls.clear()
        assert [each.kind for each in watch.killed] == expected


def test_only_the_earliest_moment_sets_an_alarm(clock: Now) -> None:
    watch = Watch(running(None, since=clock.now))
    for moment in (5.0, 9.0, 3.0):
        watch.deadlines.look_at(moment)
    assert [moment for moment, _ in watch.reactor.calls] == [5.0, 3.0]
