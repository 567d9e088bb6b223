"""Who runs alone, for it may kill the worker: the others come back afterwards, whatever happens."""

from __future__ import annotations

from typing import Any, cast

import pytest

from fleet.broker.delivery import Delivery
from fleet.broker.reposting import CRASHES_HEADER
from fleet.launch_specs import WorkerSpec
from fleet.spec import BrokerSpec
from fleet.worker.quarantine import has_used_up, is_first, is_given_up, must_run_alone
from tests.unit.worker.rehearsal import Pool, make


def test_consuming_goes_on_when_the_connection_is_lost_over_isolating() -> None:
    last_chance = Delivery(0, "q", b"", attempt=5)
    consumer, broker = make("late", [last_chance])
    pool = Pool()
    broker.lost_by = "consume"
    consumer._turn(cast("Any", pool))
    assert (pool.submitted, broker.consuming) == ([], True)
    assert broker.given_back == [(last_chance, False)]


def test_consuming_goes_on_when_the_isolated_delivery_was_taken_back_from_the_pool() -> None:
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


def spec(pool: str, most: int = 5) -> WorkerSpec:
    return WorkerSpec("f", "g", (), (), BrokerSpec("memory://"), (), pool, 1, max_deliveries=most)


@pytest.mark.parametrize(("pool", "attempt", "alone"), [("threads", 4, False), ("threads", 5, True)])
def test_only_the_last_delivery_runs_alone_where_others_may_be_to_blame(
    pool: str, attempt: int, alone: bool
) -> None:
    assert must_run_alone(Delivery(0, "q", b"", attempt=attempt), spec(pool)) is alone


def test_a_message_runs_beside_others_where_its_process_is_its_own() -> None:
    counted = Delivery(0, "q", b"", headers={CRASHES_HEADER: 4}, attempt=1)
    assert not must_run_alone(counted, spec("prefork"))


def test_a_message_that_the_broker_set_aside_runs_alone() -> None:
    assert must_run_alone(Delivery(0, "q", b"", attempt=1, alone=True), spec("prefork"))


@pytest.mark.parametrize(
    ("most", "attempt", "given_up"), [(5, 5, False), (5, 6, True), (1, 2, False), (1, 3, True)]
)
def test_a_message_is_given_up_after_it_has_run_alone(most: int, attempt: int, given_up: bool) -> None:
    assert is_given_up(Delivery(0, "q", b"", attempt=attempt), spec("threads", most)) is given_up


def test_a_message_that_was_set_aside_is_not_given_up_before_it_has_run_alone() -> None:
    aside = Delivery(0, "q", b"", headers={CRASHES_HEADER: 40}, attempt=1, alone=True)
    assert not is_given_up(aside, spec("threads"))


@pytest.mark.parametrize(("attempt", "used_up"), [(1, False), (4, False), (5, True), (6, True)])
def test_deaths_of_its_own_process_use_up_the_deliveries_of_a_message(attempt: int, used_up: bool) -> None:
    assert has_used_up(attempt, 5) is used_up


@pytest.mark.parametrize("pool", ["prefork", "threads"])
@pytest.mark.parametrize("most", [1, 2, 5])
def test_what_is_handed_out_the_first_time_neither_runs_alone_nor_is_given_up(pool: str, most: int) -> None:
    """The loop asks only this of nearly every message, so it must say the same as the other two."""
    first = 0
    for attempt in (1, 2, 3):
        for headers in ({}, {CRASHES_HEADER: 0}, {CRASHES_HEADER: 1}, {CRASHES_HEADER: "odd"}):
            for alone in (False, True):
                delivery = Delivery(0, "q", b"", headers=dict(headers), attempt=attempt, alone=alone)
                if is_first(delivery):
                    first += 1
                    assert not must_run_alone(delivery, spec(pool, most))
                    assert not is_given_up(delivery, spec(pool, most))
    assert first == 1
