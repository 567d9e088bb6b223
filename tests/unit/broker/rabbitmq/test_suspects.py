"""Which messages of RabbitMQ are published again, and which are set aside to run alone."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.broker.delivery import Delivery
from fleet.broker.rabbitmq.suspects import SuspectRule, divide


def message(attempt: int = 1, **headers: Any) -> Delivery:
    return Delivery(1, "q", b"", headers, attempt=attempt, redelivered=attempt > 1)


def rule(most: int | None = 3, *, culprit_known: bool = False) -> SuspectRule:
    made = SuspectRule()
    made.most, made.culprit_known = most, culprit_known
    return made


def place(delivery: Delivery, by: SuspectRule) -> str:
    fine, back, suspects = divide([delivery], by)
    assert len([*fine, *back, *suspects]) == 1
    return "fine" if fine else "back" if back else "aside"


@pytest.mark.parametrize(
    ("attempt", "crashes", "expected"),
    [(1, 0, "fine"), (2, 0, "back"), (1, 1, "fine"), (2, 1, "aside"), (1, 2, "aside"), (9, 0, "aside")],
)
def test_what_was_handed_out_as_often_as_may_be_is_set_aside(
    attempt: int, crashes: int, expected: str
) -> None:
    counted = {"x-fleet-crashes": crashes} if crashes else {}
    assert place(message(attempt, **counted), rule()) == expected


def test_what_a_quorum_queue_has_counted_is_counted_by_us_before_it_reaches_its_limit() -> None:
    assert place(message(2), rule()) == "back"
    unasked = rule(most=None)
    assert place(message(2), unasked) == "back", "a classic queue only marks it"
    unasked.counting = {"q"}
    assert place(message(2), unasked) == "fine", "nobody said that it matters"


def test_where_tasks_run_in_processes_their_deaths_are_no_suspicion() -> None:
    prefork = rule(culprit_known=True)
    assert place(message(1, **{"x-fleet-crashes": 2}), prefork) == "fine"
    assert place(message(2, **{"x-fleet-crashes": 1}), prefork) == "aside"


def test_who_runs_alone_already_and_who_never_stopped_stay_as_they_are() -> None:
    taken = message(2, **{"x-fleet-crashes": 2})
    taken.alone = True
    assert place(taken, rule()) == "fine"
    ours = rule()
    ours.is_ours = lambda _delivery: True
    assert place(message(2, **{"x-fleet-crashes": 7}), ours) == "fine"


@pytest.mark.parametrize("count", [None, "3", 2.5, -1, [], True])
def test_a_count_that_is_none_counts_nothing_that_matters(count: Any) -> None:
    assert place(message(1, **{"x-fleet-crashes": count}), rule()) == "fine"
