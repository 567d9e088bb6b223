"""What the broker refused is tried again with backoff, and told while it lasts."""

from __future__ import annotations

import pytest

from fleet.broker.delivery import BrokerUnavailable, Refused
from fleet.broker.holding import Holding


class Step:
    """Raises that, as long as it is set."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error, self.calls = error, 0

    def __call__(self) -> None:
        self.calls += 1
        if self.error is not None:
            raise self.error


def test_a_refused_step_is_tried_less_and_less_often_and_for_ever() -> None:
    holding, step = Holding(), Step(Refused("full"))
    holding.add(step, Refused("full"), 0.0)
    tried = []
    for tenth in range(1200):
        before = step.calls
        holding.retry(tenth / 10)
        tried += [tenth / 10] * (step.calls - before)
    assert tried == [1, 3, 7, 15, 31, 61, 91]
    assert len(holding) == 1


def test_what_is_due_at_some_time_is_tried_then_whatever_the_backoff() -> None:
    holding, step = Holding(), Step(Refused("no queue for delays"))
    holding.add(step, Refused("no queue for delays"), 0.0, 5.0)
    for now in (1.0, 3.0):
        holding.retry(now)
    assert step.calls == 2
    assert holding.next_in(3.0) == 2.0
    step.error = None
    holding.retry(5.0)
    assert len(holding) == 0


def test_after_one_success_the_others_are_tried_soon() -> None:
    holding, good, bad = Holding(), Step(), Step(Refused("full"))
    for step in (bad, good):
        holding.add(step, Refused("full"), 0.0)
    holding._held[0].try_at = 30.0
    holding.retry(1.0)
    assert (good.calls, bad.calls, len(holding)) == (1, 0, 1)
    assert holding.next_in(1.0) == 1.0


def test_a_lost_connection_ends_the_tries_and_keeps_the_steps() -> None:
    holding, step = Holding(), Step(BrokerUnavailable("gone"))
    holding.add(step, Refused("full"), 0.0)
    with pytest.raises(BrokerUnavailable):
        holding.retry(2.0)
    assert len(holding) == 1


def test_the_reason_is_told_while_something_is_held_and_a_minute_longer() -> None:
    holding, step = Holding(), Step()
    assert holding.reason(0.0) is None
    holding.add(step, Refused("q is full"), 0.0)
    assert holding.reason(1000.0) == "q is full; 1 held until it takes them"
    holding.retry(2.0)
    assert holding.reason(59.0) == "q is full"
    assert holding.reason(61.0) is None


@pytest.mark.parametrize(("held", "room"), [(0, 0), (1, 1), (2, 2), (3, 4), (5, 8), (128, 128), (1000, 128)])
def test_room_for_what_is_held_grows_in_few_steps_and_ends(held: int, room: int) -> None:
    holding = Holding()
    for _ in range(held):
        holding.add(Step(), Refused("full"), 0.0)
    assert holding.room() == room
