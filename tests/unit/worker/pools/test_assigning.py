"""The assigner of prefork: who gets a delivery, and who loses it again."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.worker.outcome import Outcome
from fleet.worker.pools.assigning import Assigner
from tests.unit.worker.pools.prefork_fakes import FakeProcess, delivery, host


class Desk:
    """An assigner with some fake processes; what it told of them is kept."""

    def __init__(self, count: int = 2, acks: str = "late") -> None:
        self.host = host(acks)
        self.processes = {pid: FakeProcess(pid) for pid in range(1, count + 1)}
        self.collected: list[int] = []
        self.secluded: list[int] = []
        self.watched: list[int] = []
        self.assigner = Assigner(
            self.host,
            self.processes,  # type: ignore[arg-type]
            collect=lambda process: self.collected.append(process.pid),
            seclude=self.seclude,
            watch=lambda process: self.watched.append(process.pid),
        )

    def seclude(self, process: Any) -> None:
        self.secluded.append(process.pid)
        del process.window[1:]

    def short(self, runs: int = 100) -> None:
        """The task has shown that it is short."""
        for _ in range(runs):
            self.assigner.ended(delivery(0), Outcome("succeeded", wall_seconds=0.0001))

    def give(self, number: int, to: int) -> None:
        self.assigner.assign(delivery(number), self.processes[to], None, 0.0)  # type: ignore[arg-type]


def test_an_idle_process_is_chosen_the_one_that_rested_last_first() -> None:
    desk = Desk()
    for process in desk.processes.values():
        desk.assigner.rest(process)  # type: ignore[arg-type]
    assert desk.assigner.choose(delivery(1)) is desk.processes[2]
    desk.give(1, 2)
    assert desk.assigner.choose(delivery(2)) is desk.processes[1]


def test_a_task_that_may_be_long_is_sent_ahead_to_nobody() -> None:
    desk = Desk()
    desk.give(1, 1)
    assert desk.assigner.choose(delivery(2)) is None


def test_a_short_task_is_sent_ahead_to_the_process_with_the_least_to_do() -> None:
    desk = Desk()
    desk.short()
    desk.give(1, 1)
    desk.give(2, 1)
    desk.give(3, 2)
    assert desk.assigner.choose(delivery(4)) is desk.processes[2]
    assert desk.assigner.ahead == 1


def test_nothing_is_sent_ahead_where_the_broker_has_forgotten_it_by_then() -> None:
    desk = Desk(acks="early")
    desk.short()
    desk.give(1, 1)
    assert desk.assigner.choose(delivery(2)) is None


@pytest.mark.parametrize("flag", ["dismissed", "stuck"])
def test_nothing_is_sent_ahead_to_a_process_that_takes_no_more(flag: str) -> None:
    desk = Desk(count=1)
    desk.short()
    desk.give(1, 1)
    setattr(desk.processes[1], flag, True)
    assert desk.assigner.choose(delivery(2)) is None


def test_a_large_body_is_not_sent_ahead() -> None:
    desk = Desk(count=1)
    desk.short()
    desk.give(1, 1)
    assert desk.assigner.choose(delivery(2, size=1 << 20)) is None


def test_a_flush_writes_to_each_process_once_and_watches_one_that_is_full() -> None:
    desk = Desk()
    desk.give(1, 1)
    desk.give(2, 2)
    desk.processes[2].flushes = False
    desk.assigner.flush()
    desk.assigner.flush()
    assert [each.flushed for each in desk.processes.values()] == [1, 1]
    assert desk.watched == [2]


def test_a_delivery_that_can_not_be_written_is_rejected_and_its_process_goes_on() -> None:
    desk = Desk(count=1)
    desk.give(1, 1)
    refused = delivery(1)
    desk.processes[1].unsendable = [(refused, ValueError("no"))]
    desk.assigner.flush()
    [(ended, outcome)] = desk.host.ended
    assert ended is refused
    assert outcome.kind == "rejected"
    assert "can't be handed to a pool process" in outcome.reason
    assert desk.collected == [1]


def test_what_waits_behind_a_task_that_is_long_after_all_is_taken_back() -> None:
    desk = Desk(count=1)
    desk.short()
    desk.give(1, 1)
    desk.give(2, 1)
    desk.processes[1].current_since = float("-inf")
    desk.host.reactor.run_next()
    assert desk.secluded == [1]
    assert desk.processes[1].stuck
    assert not desk.host.reactor.calls, "nothing waits any more"


def test_what_waits_behind_a_task_that_has_just_begun_is_left_and_looked_at_again() -> None:
    desk = Desk(count=1)
    desk.short()
    desk.give(1, 1)
    desk.give(2, 1)
    desk.processes[1].current_since = float("inf")
    desk.host.reactor.run_next()
    assert desk.secluded == []
    assert len(desk.host.reactor.calls) == 1


@pytest.mark.parametrize("flag", ["dismissed", "stuck"])
def test_a_process_that_takes_no_more_is_not_chosen_though_it_was_a_moment_ago(flag: str) -> None:
    desk = Desk()
    desk.short()
    desk.give(1, 1)
    desk.give(2, 1)
    desk.give(3, 2)
    asked = delivery(4)
    assert desk.assigner.choose(asked) is desk.processes[2]
    assert desk.assigner.choose(asked) is desk.processes[2]
    setattr(desk.processes[2], flag, True)
    assert desk.assigner.choose(asked) is desk.processes[1]


def test_who_is_chosen_is_looked_for_anew_once_something_has_ended() -> None:
    desk = Desk()
    desk.short()
    desk.give(1, 1)
    desk.give(2, 1)
    desk.give(3, 2)
    asked = delivery(4)
    assert desk.assigner.choose(asked) is desk.processes[2]
    del desk.processes[1].window[:]
    desk.assigner.ended(delivery(1), Outcome("succeeded", wall_seconds=0.0001))
    assert desk.assigner.choose(asked) is desk.processes[1]
