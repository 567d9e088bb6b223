"""Who runs alone, for it may kill the worker: the others come back afterwards, whatever happens."""

from __future__ import annotations

from typing import Any, cast

from fleet.broker.delivery import Delivery
from tests.unit.worker.rehearsal import Pool, make


def test_nobody_stays_isolated_for_a_connection_that_was_lost_over_it() -> None:
    last_chance = Delivery(0, "q", b"", attempt=5)
    consumer, broker = make("late", [last_chance])
    pool = Pool()
    broker.lost_by = "consume"
    consumer._turn(cast("Any", pool))
    assert (pool.submitted, broker.consuming) == ([], True)
    assert broker.given_back == [(last_chance, False)]


def test_nor_for_one_that_was_taken_back_from_the_pool() -> None:
    last_chance = Delivery(0, "q", b"", attempt=5)
    consumer, broker = make("late", [last_chance])
    pool = Pool()
    consumer._turn(cast("Any", pool))
    assert (pool.submitted, broker.consuming) == ([last_chance], False)
    pool.recall = lambda: [last_chance]  # type: ignore[method-assign]
    broker.lost_by = "receive"
    consumer._turn(cast("Any", pool))
    assert broker.consuming
    assert broker.given_back == [(last_chance, False)]


def test_what_was_on_its_way_is_given_back_before_it_runs() -> None:
    """Else it would lie in this process when that dies, and be counted for it."""
    last_chance, beside = Delivery(0, "q", b"", attempt=5), Delivery(1, "q", b"", attempt=4)
    consumer, broker = make("late", [last_chance])
    pool = Pool()
    broker.after_stop = lambda: broker.deliveries.append(beside)
    seen: list[list[tuple[Delivery, bool]]] = []
    pool.after_submit = lambda: seen.append(list(broker.given_back))
    consumer._turn(cast("Any", pool))
    assert pool.submitted == [last_chance]
    assert seen == [[(beside, False)]]
