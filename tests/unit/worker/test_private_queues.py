"""The private queues of a worker, among those of its group."""

from __future__ import annotations

from typing import Any, cast

from fleet.broker.delivery import Delivery
from fleet.spec import QueueSpec
from fleet.worker.private_queues import NO_PRIVATE_QUEUES, PrivateQueues
from tests.unit.worker.rehearsal import Pool, make

MAIN, NEWS = QueueSpec("main", dead_letter="main.dead"), QueueSpec("news", dead_letter="news.dead")
OWN = QueueSpec("news.w-0@host", "news", "fanout")


def test_a_worker_without_private_queues_consumes_those_of_its_group() -> None:
    assert NO_PRIVATE_QUEUES.among((MAIN, NEWS)) == (MAIN, NEWS)


def test_an_added_queue_comes_last_and_has_the_dead_letters_of_the_first() -> None:
    consumed = PrivateQueues((OWN,)).among((MAIN, NEWS))
    assert [queue.name for queue in consumed] == ["main", "news", "news.w-0@host"]
    assert consumed[-1].dead_letter == "main.dead"
    assert (consumed[-1].exchange, consumed[-1].exchange_type) == ("news", "fanout")


def test_a_replaced_queue_is_not_consumed() -> None:
    consumed = PrivateQueues((OWN,), frozenset({"news"})).among((MAIN, NEWS))
    assert [queue.name for queue in consumed] == ["main", "news.w-0@host"]


def test_what_was_taken_before_the_app_named_its_queues_goes_back_and_the_link_is_made_anew() -> None:
    early = Delivery(1, "main", b"", headers={"id": "early"})
    consumer, broker = make("late", [early])
    consumer._workload.pool_up = False
    consumer._turn(cast("Any", Pool()))
    consumer.pool_up({}, PrivateQueues((OWN,)))
    assert broker.given_back == [(early, False)]
    assert broker.started_over == 1
    assert [queue.name for queue in consumer._settings.spec.queues] == ["news.w-0@host"]
    consumer.pool_up({}, PrivateQueues((OWN,)))  # of the next process of the pool
    assert broker.started_over == 1
