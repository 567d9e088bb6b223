"""What waits in a worker: whose turn it is, what goes before all else, what goes back to its place."""

from __future__ import annotations

from typing import Any

import pytest

from fleet.broker.delivery import Delivery
from fleet.broker.queue_order import QueueOrder
from fleet.worker.backlog import Backlog, PlainBacklog


def make(kind: str, waiting: str) -> tuple[Backlog, list[Delivery]]:
    """One delivery for each letter, which is its queue."""
    deliveries = [Delivery(tag, queue, b"") for tag, queue in enumerate(waiting)]
    return Backlog(QueueOrder("abc", kind), deliveries), deliveries


def drained(backlog: Backlog | PlainBacklog) -> list[Delivery]:
    taken = []
    while backlog:
        assert len(backlog) == len(list(backlog))
        expected = backlog.next()
        taken.append(backlog.popleft())
        assert taken[-1] is expected
    assert len(backlog) == 0
    return taken


def test_strict_takes_earlier_queues_first_and_each_in_order_of_arrival() -> None:
    backlog, arrived = make("strict", "cabcab")
    assert drained(backlog) == [arrived[at] for at in (1, 4, 2, 5, 0, 3)]


def test_weighted_mixes_by_share() -> None:
    backlog, _ = make("weighted", "c" * 12 + "b" * 12 + "a" * 12)
    queues = [each.queue for each in drained(backlog)]
    assert [queues[:12].count(name) for name in "abc"] == [6, 4, 2]


def test_what_was_taken_and_has_not_begun_is_the_next_of_its_queue() -> None:
    backlog, arrived = make("strict", "aab")
    taken = [backlog.popleft(), backlog.popleft()]
    backlog.append(Delivery(9, "a", b""))
    backlog.extendleft(reversed(taken))
    assert drained(backlog)[:2] == arrived[:2]


@pytest.mark.parametrize("kind", ["strict", "weighted", "plain"])
def test_what_must_run_alone_goes_before_all_else(kind: str) -> None:
    backlog: Any
    backlog, arrived = make("strict" if kind == "plain" else kind, "aabbcc")
    if kind == "plain":
        backlog = PlainBacklog(arrived)
    backlog.first_of_all([arrived[5], arrived[3]])
    taken = drained(backlog)
    assert taken[:2] == [arrived[5], arrived[3]]
    assert sorted(each.tag for each in taken) == list(range(6))


@pytest.mark.parametrize("kind", ["strict", "weighted"])
def test_keep_drops_all_others(kind: str) -> None:
    backlog, arrived = make(kind, "aabbcc")
    backlog.first_of_all([arrived[4]])
    backlog.keep([each for each in backlog if each.queue != "c"])
    assert [each.queue for each in drained(backlog)].count("c") == 0
