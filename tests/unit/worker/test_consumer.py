"""What becomes of a delivery that has not started, and that each is settled once."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

from fleet.broker.delivery import Delivery
from fleet.worker.orders import Order
from fleet.worker.outcome import Outcome
from fleet.worker.settings import SettingsChange
from tests.unit.worker.rehearsal import Broker, Pool, make


def run_and_drain(acks: str) -> tuple[list[Delivery], Broker, list[Any]]:
    deliveries = [Delivery(tag, "q", b"") for tag in range(5)]
    consumer, broker = make(acks, deliveries)
    pool = Pool()

    started: list[Delivery] = []

    def drain_once_full() -> None:
        if len(pool.submitted) == 3 and broker.consuming:
            started[:] = pool.submitted
            consumer.order(Order("drain", time.monotonic() + 5))
        elif not broker.consuming:  # what can't be given back runs
            consumer.done(pool.submitted[-1], Outcome("succeeded"))

    pool.after_submit = drain_once_full
    broker.after_stop = lambda: consumer.done(deliveries[0], Outcome("succeeded"))
    code, unfinished = consumer.run(pool)
    assert (code, unfinished) == (0, False)
    return deliveries, broker, started


def test_a_drain_takes_back_from_the_pool_what_has_not_started() -> None:
    deliveries, broker, submitted = run_and_drain("late")
    assert submitted == deliveries[:3]
    assert broker.acked == deliveries[:1]
    assert sorted(broker.given_back, key=lambda each: each[0].tag) == [
        (each, False) for each in deliveries[1:]
    ]


def test_a_drain_does_not_take_back_what_the_broker_has_forgotten_already() -> None:
    deliveries, broker, submitted = run_and_drain("early")
    assert submitted == deliveries[:3]
    assert broker.acked == deliveries[:3]
    assert broker.given_back == [(each, False) for each in deliveries[3:]]


def test_what_ends_while_the_pool_closes_is_settled_and_the_rest_given_back_counted() -> None:
    deliveries = [Delivery(tag, "q", b"") for tag in range(3)]
    consumer, broker = make("late", deliveries)
    pool = Pool()
    pool.recall = list  # type: ignore[method-assign]
    closed: list[bool] = []

    def end_one() -> None:
        closed.append(not broker.given_back)  # nobody else has it while it runs here
        consumer.done(deliveries[1], Outcome("succeeded"))

    pool.close = end_one  # type: ignore[method-assign]
    pool.after_submit = lambda: consumer.order(Order("drain", time.monotonic()))
    assert consumer.run(pool) == (0, True)
    assert closed == [True]
    assert broker.acked == [deliveries[1]]
    assert broker.given_back == [(deliveries[0], True), (deliveries[2], True)]


@pytest.mark.parametrize("acks", ["late", "early"])
def test_each_delivery_is_settled_once(acks: str) -> None:
    deliveries, broker, _ = run_and_drain(acks)
    settled = broker.acked + [delivery for delivery, _ in broker.given_back]
    assert sorted(each.tag for each in settled) == [each.tag for each in deliveries]


@pytest.mark.parametrize("before", ["late", "early"])
def test_what_runs_while_acks_changes_is_acked_once(before: str) -> None:
    deliveries = [Delivery(tag, "q", b"") for tag in range(2)]
    consumer, broker = make(before, deliveries)
    pool = Pool()
    after = "early" if before == "late" else "late"

    def change() -> None:
        if len(pool.submitted) == 2:
            consumer.order(Order("configure", change=SettingsChange("r2", {"acks": after})))
            consumer.order(Order("drain", time.monotonic() + 5))

    def finish() -> None:
        for delivery in deliveries:
            consumer.done(delivery, Outcome("succeeded"))

    pool.recall = list  # type: ignore[method-assign]
    pool.after_submit, broker.after_stop = change, finish
    assert consumer.run(pool) == (0, False)
    assert broker.acked == deliveries
    assert broker.given_back == []


def test_what_the_pool_gives_back_begins_before_the_rest() -> None:
    deliveries = [Delivery(tag, "q", b"") for tag in range(4)]
    consumer, broker = make("late", deliveries)
    pool = Pool()

    def step() -> None:
        match len(pool.submitted):
            case 3:
                consumer.back(deliveries[1:3])
            case 5:
                consumer.done(deliveries[0], Outcome("succeeded"))
            case 6:
                for delivery in deliveries[1:]:
                    consumer.done(delivery, Outcome("succeeded"))
                consumer.order(Order("drain", time.monotonic() + 5))

    pool.recall = list  # type: ignore[method-assign]
    pool.after_submit = step
    assert consumer.run(pool) == (0, False)
    assert [each.tag for each in pool.submitted] == [0, 1, 2, 1, 2, 3]
    assert broker.acked == deliveries


@pytest.mark.parametrize("found_by", ["receive", "ack", "retry", "flush"])
def test_what_has_not_started_goes_back_whatever_finds_the_connection_lost(found_by: str) -> None:
    """On RabbitMQ the broker gives it out again: who started it here would run it a second time."""
    deliveries = [Delivery(tag, "q", b"") for tag in range(8)]
    consumer, broker = make("late", deliveries[:5])
    pool = Pool()
    consumer._turn(cast("Any", pool))
    assert pool.submitted == deliveries[:3]
    broker.lost_by = found_by
    consumer.done(deliveries[0], Outcome("failed" if found_by == "retry" else "succeeded"))
    consumer._turn(cast("Any", pool))
    consumer._turn(cast("Any", pool))
    assert broker.connected
    assert {each.tag for each, counted in broker.given_back if not counted} >= {2, 4}
    assert pool.submitted[0] is deliveries[0]
    given_back = [each for each, _ in broker.given_back]
    broker.deliveries = deliveries[5:]
    consumer._turn(cast("Any", pool))
    assert not set(pool.submitted) & set(given_back), "void, and taken again by somebody else"
    assert set(pool.submitted) >= set(deliveries[5:7]), "its places are free"


@pytest.mark.parametrize(("pool", "at_each_wait"), [("solo", True), ("gevent", True), ("threads", False)])
def test_only_where_tasks_run_in_the_main_thread_signals_are_looked_after_at_each_wait(
    pool: str, at_each_wait: bool
) -> None:
    """Each look lets go of the interpreter's lock: with threads that run tasks a turn took milliseconds."""
    consumer, _ = make("late", [], pool)
    looks: list[float] = []
    consumer.hear_again = lambda: looks.append(time.monotonic()) or []  # type: ignore[func-returns-value]
    begun = time.monotonic()
    for _ in range(50):
        consumer._turn(Pool())
    most = 1 + (time.monotonic() - begun) / 0.2
    assert len(looks) == 50 if at_each_wait else len(looks) <= most
