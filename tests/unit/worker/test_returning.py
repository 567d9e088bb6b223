"""What was recalled from the pool when the connection was lost does not run here: it starts when it comes back."""

from __future__ import annotations

from typing import Any, cast

from fleet.broker.delivery import Delivery
from fleet.worker.outcome import Outcome
from fleet.worker.returning import Returning
from tests.unit.worker.rehearsal import Pool, make


def delivery(tag: int, message: str, attempt: int = 1) -> Delivery:
    return Delivery(tag, "q", b"", headers={"id": message}, redelivered=attempt > 1, attempt=attempt)


def test_what_the_pool_had_not_begun_is_started_when_it_comes_back() -> None:
    consumer, broker = make("late", [delivery(tag, f"m{tag}") for tag in range(3)])
    pool = Pool()
    consumer._turn(cast("Any", pool))
    assert [each.headers["id"] for each in pool.submitted] == ["m0", "m1", "m2"]
    broker.lost_by = "receive"
    consumer._turn(cast("Any", pool))
    consumer._turn(cast("Any", pool))
    assert [each.headers["id"] for each in pool.submitted] == ["m0"], "the rest was recalled"
    again = [delivery(10 + tag, f"m{tag}", attempt=2) for tag in range(3)]
    broker.deliveries = again
    consumer._turn(cast("Any", pool))
    assert pool.submitted[1:] == again[1:], "nobody else runs them"
    consumer.done(pool.submitted[0], Outcome("succeeded"))
    consumer._turn(cast("Any", pool))
    assert [each.tag for each in broker.acked] == [10], "this one ran on, and is settled by its new delivery"


def test_what_comes_back_while_it_runs_is_acked_once_more_if_it_was_acked_early() -> None:
    consumer, broker = make("early", [delivery(1, "m1")])
    pool = Pool()
    broker.lost_by = "flush"  # with the ack
    consumer._turn(cast("Any", pool))
    broker.deliveries = [delivery(11, "m1", attempt=2)]
    consumer._turn(cast("Any", pool))
    consumer._turn(cast("Any", pool))
    (running,) = pool.submitted
    assert (running.tag, broker.acked) == (11, [running, running]), "else a drain would give it back, done"
    consumer.done(running, Outcome("succeeded"))
    consumer._turn(cast("Any", pool))
    assert len(broker.acked) == 2


def test_what_is_given_back_is_not_recognised() -> None:
    returning = Returning()
    running, waiting = delivery(1, "runs"), delivery(2, "waits")
    returning.lost([running, waiting])
    returning.forget([waiting])
    assert returning.take(delivery(3, "waits", attempt=2)) is None
    assert returning.take(delivery(4, "runs", attempt=2)) == (running, None)
