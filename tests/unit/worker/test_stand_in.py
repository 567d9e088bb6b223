"""What happens while a task blocks the loop, and between two that do."""

from __future__ import annotations

import time
from typing import Any, cast

import pytest

import fleet.clock
from fleet.broker.delivery import Delivery
from fleet.worker.consumer import Consumer
from fleet.worker.keepalive import Keepalive
from fleet.worker.orders import Order
from tests.unit.worker.rehearsal import Broker, Pool, make, make_inline


def test_what_waits_behind_a_long_task_is_given_back_while_it_runs() -> None:
    seen: list[list[int]] = []

    def during(consumer: Consumer, broker: Broker) -> None:
        consumer.stand_in(time.monotonic())
        seen.append([each.tag for each, _ in broker.given_back])
        broker.deliveries = [Delivery(3, "q", b"")]  # was on its way
        consumer.stand_in(time.monotonic() + 2)
        assert not broker.consuming
        seen.append([each.tag for each, _ in broker.given_back])

    consumer, broker, pool = make_inline(during)
    consumer._turn(cast("Any", pool))
    consumer._turn(cast("Any", pool))
    assert seen == [[], [1, 2, 3]]
    assert broker.acked == pool.submitted
    assert broker.consuming, "it has ended"


def test_an_order_is_obeyed_while_a_task_blocks_the_loop() -> None:
    def during(consumer: Consumer, broker: Broker) -> None:
        consumer.order(Order("drain", time.monotonic() + 5))
        consumer.stand_in(time.monotonic())
        assert [each.tag for each, _ in broker.given_back] == [1, 2]

    consumer, broker, pool = make_inline(during)
    assert consumer.run(cast("Any", pool)) == (0, False)
    assert [each.tag for each in broker.acked] == [0]


def test_nobody_stands_in_for_a_loop_that_is_at_work() -> None:
    consumer, broker = make("late", [])
    consumer._pool = cast("Any", Pool())
    consumer.order(Order("drain", time.monotonic() + 5))
    consumer.stand_in(time.monotonic() + 60)
    assert broker.consuming


def test_the_ack_of_a_long_task_does_not_wait_for_the_end_of_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = [100.0]
    monkeypatch.setattr(fleet.clock.time, "monotonic", lambda: now[0])

    def during(_consumer: Consumer, _broker: Broker) -> None:
        now[0] += 1.0

    consumer, broker, pool = make_inline(during)
    flushed: list[int] = []
    broker.flush = lambda worth=0: flushed.append(len(broker.acked))  # type: ignore[method-assign]
    consumer._turn(cast("Any", pool))
    assert (len(pool.submitted), flushed) == (1, [1])


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(fleet.clock.time, "monotonic", lambda: now[0])
    return now


def test_the_acks_of_short_tasks_do_not_wait_for_the_end_of_a_long_one(clock: list[float]) -> None:
    """The keepalive is woken as it starts, looks at once, and again when a short one would have ended."""
    seen: list[tuple[float | None, int]] = []

    def during(consumer: Consumer, broker: Broker) -> None:
        if len(broker.acked) == 2:
            for _ in range(2):
                seen.append((consumer.stand_in(clock[0]), broker.unflushed))
                clock[0] += 0.006

    consumer, _, pool = make_inline(during)
    consumer._turn(cast("Any", pool))
    assert seen == [(0.005, 2), (None, 0)]


def test_the_loop_between_two_tasks_is_not_forgotten_while_acks_wait() -> None:
    consumer, broker = make("late", [])
    consumer._pool = cast("Any", Pool())
    broker.unflushed = 1
    assert consumer.stand_in(time.monotonic() + 60) == 0.005, (
        "it holds the loop lock; the next task may be long"
    )
    broker.unflushed = 0
    assert consumer.stand_in(time.monotonic() + 60) is None


def test_the_keepalive_is_not_woken_for_each_of_many_short_tasks() -> None:
    """At most once until it has looked again, which is 5 ms later."""
    again: list[float | None] = [0.005]
    keepalive = Keepalive(lambda: None, 60.0, stand_in=lambda _now: again[0])
    keepalive._asleep.acquire()
    woken: list[bool] = []
    keepalive.wake = lambda: woken.append(True)  # type: ignore[method-assign]
    for _ in range(1000):
        keepalive.attend()
    assert len(woken) == 1
    keepalive._turn()
    for _ in range(1000):
        keepalive.attend()
    assert len(woken) == 1, "it looks again by itself"
    again[0] = None
    keepalive._asleep.release()
    keepalive._turn()
    keepalive.attend()
    assert len(woken) == 2


def test_nobody_is_told_of_a_task_that_starts_while_nothing_waits() -> None:
    consumer, _, pool = make_inline(lambda _consumer, _broker: None)
    told: list[int] = []
    consumer.owing = lambda: told.append(len(pool.submitted))
    consumer._turn(cast("Any", pool))
    assert told == [1, 2], "not before the first of the three"
