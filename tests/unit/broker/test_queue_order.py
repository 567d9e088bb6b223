"""The order in which a worker takes from its queues: shares, no bursts, nobody starves."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from fleet.broker.queue_order import STRICT, WEIGHTED, QueueOrder

NAMES = ["a", "b", "c", "d", "e"]
queues = st.integers(2, 5).map(lambda count: NAMES[:count])


def take(order: QueueOrder, names: list[str], count: int) -> list[str]:
    """With a message in each queue at any time."""
    taken = []
    for _ in range(count):
        taken.append(order.order(names)[0])
        order.took(taken[-1])
    return taken


def shares(taken: list[str], names: list[str]) -> dict[str, float]:
    """What each should have had of it by its weight, of those that had something."""
    weights = {name: len(names) - rank for rank, name in enumerate(names)}
    return {name: len(taken) * weight / sum(weights.values()) for name, weight in weights.items()}


@given(names=queues, before=st.integers(0, 50), length=st.integers(1, 100))
def test_shares_are_the_weights_within_any_run(names: list[str], before: int, length: int) -> None:
    order = QueueOrder(names)
    take(order, names, before)
    counts = Counter(taken := take(order, names, length))
    for name, share in shares(taken, names).items():
        # One message of each queue at the begin and one at the end of the run.
        assert abs(counts[name] - share) <= 2


@given(names=queues, length=st.integers(1, 300))
def test_from_the_start_each_has_its_share_within_one_message(names: list[str], length: int) -> None:
    counts = Counter(taken := take(QueueOrder(names), names, length))
    for name, share in shares(taken, names).items():
        assert abs(counts[name] - share) <= 1


@given(names=queues, idle=st.sampled_from(NAMES), others=st.integers(1, 200))
def test_a_queue_that_was_idle_gets_no_burst(names: list[str], idle: str, others: int) -> None:
    order = QueueOrder(names)
    rest = [name for name in names if name != idle]
    take(order, rest, others)
    counts = Counter(taken := take(order, names, 20))
    if idle in names:
        assert counts[idle] <= shares(taken, names)[idle] + 2


@given(names=queues, turns=st.lists(st.sets(st.sampled_from(NAMES)), min_size=30, max_size=200))
def test_nobody_waits_longer_than_the_others_weights_allow(names: list[str], turns: list[set[str]]) -> None:
    """The last queue always has something; the others come and go as they like."""
    order, last, waited = QueueOrder(names), names[-1], 0
    longest = sum(range(1, len(names) + 1)) + len(names)
    for present in turns:
        name = order.order([each for each in names if each in present or each == last])[0]
        order.took(name)
        waited = 0 if name == last else waited + 1
        assert waited <= longest


@given(names=queues, batches=st.lists(st.integers(1, 64), min_size=20, max_size=100))
def test_batches_keep_the_shares_within_one_batch_of_each(names: list[str], batches: list[int]) -> None:
    order, counts = QueueOrder(names), Counter[str]()
    for size in batches:
        name = order.order(names)[0]
        order.took(name, size)
        counts[name] += size
    weights = {name: len(names) - rank for rank, name in enumerate(names)}
    service = [counts[name] / weights[name] for name in names]
    assert max(service) - min(service) <= 2 * max(batches)


@given(names=queues, runs=st.integers(1, 50))
def test_what_was_taken_and_went_back_unused_is_not_counted(names: list[str], runs: int) -> None:
    order = QueueOrder(names)
    expected = take(QueueOrder(names), names, runs)
    for _ in range(10):
        order.took("a")
        order.took("a", -1)
    assert take(order, names, runs) == expected


@given(names=queues, taken=st.lists(st.sampled_from(NAMES[:2])))
def test_strict_is_the_order_of_the_file_whatever_was_taken(names: list[str], taken: list[str]) -> None:
    order = QueueOrder(names, STRICT)
    for name in taken:
        order.took(name)
    assert order.order(reversed(names)) == names


@given(names=queues, kind=st.sampled_from([STRICT, WEIGHTED]), before=st.integers(0, 50))
def test_first_is_the_head_of_order(names: list[str], kind: str, before: int) -> None:
    order = QueueOrder(names, kind)
    take(order, names, before)
    assert order.first(names) == order.order(names)[0]
