"""Delays are taken in few steps, none too short in all, and exchanges route as AMQP does."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.broker.delivery import Posting
from fleet.broker.topology import DELAY_STEPS, binding_pattern, delay_queue, delay_step, resolve_exchange
from fleet.protocol import Encoded

MESSAGE = Encoded(b"", {}, {})


@given(st.floats(min_value=0.0001, max_value=10**9))
def test_a_delay_taken_in_steps_is_never_too_short_and_late_by_one_percent_or_one_second(
    seconds: float,
) -> None:
    left, steps = seconds, 0
    while left > 0:
        step = delay_step(left)
        assert step in DELAY_STEPS, "there are few delay queues"
        left -= step / 1000
        steps += 1
        assert steps <= 13 + seconds * 1000 // DELAY_STEPS[-1]
    assert -left <= max(0.5, seconds * 0.01)


@pytest.mark.parametrize(
    "seconds", [0.77, 1, 10.1, 60, 101, 3600, 3 * 86400, 11 * 86400, 1e300, float("inf")]
)
def test_the_first_step_of_a_delay_is_at_least_half_of_it_or_the_longest_there_is(seconds: float) -> None:
    assert delay_step(seconds) in DELAY_STEPS
    assert delay_step(seconds) >= min(seconds * 500, DELAY_STEPS[-1])


def test_delay_steps_are_few_rising_and_below_what_rabbitmq_can_wait() -> None:
    assert list(DELAY_STEPS) == sorted(set(DELAY_STEPS))
    assert len(DELAY_STEPS) < 40
    assert DELAY_STEPS[-1] < 2**32


def test_a_delay_queue_is_named_by_its_seconds_and_fits_whatever_its_target_is_called() -> None:
    assert delay_queue(500) == "fleet.delay.500ms"
    assert delay_queue(2_000_000_000) == "fleet.delay.2000000s"
    assert delay_queue(500, kind="classic", target="q") == "fleet.delay.classic.500ms.q"
    long = {delay_queue(100, target=name * 255) for name in "ab"}
    assert len(long) == 2
    assert all(len(name) <= 255 for name in long)


@pytest.mark.parametrize(
    ("binding", "matching", "others"),
    [
        ("a.b", ["a.b"], ["a", "a.b.c", "axb"]),
        ("a.*", ["a.b", "a."], ["a", "a.b.c"]),
        ("a.#", ["a", "a.b", "a.b.c"], ["ab", "b.a"]),
        ("#.z", ["z", "a.z", "a.b.z"], ["az", "z.a"]),
        ("a.#.z", ["a.z", "a.b.z", "a.b.c.z"], ["a", "az", "a.b"]),
        ("#", ["", "a", "a.b"], []),
        ("*.b.#", ["a.b", "a.b.c.d"], ["b", "a.c"]),
        ("#.#.a", ["a", "x.a", "x.y.a"], ["xa"]),
    ],
)
def test_a_topic_binding_matches_by_its_words(binding: str, matching: list[str], others: list[str]) -> None:
    pattern = re.compile(binding_pattern("topic", binding))
    assert [key for key in matching + others if pattern.match(key)] == matching


def test_an_exchange_copies_to_every_bound_queue_once() -> None:
    table = [("k", "", "a"), ("k", "", "b"), ("other", "", "c"), ("", ".*$", "a")]
    posting = Posting("a", MESSAGE, exchange="x", routing_key="k")
    assert resolve_exchange(posting, lambda _: table) == ["a", "b"]


def test_nothing_is_lost_when_no_binding_matches() -> None:
    assert resolve_exchange(Posting("a", MESSAGE, exchange="x", routing_key="k"), lambda _: []) == ["a"]


def test_without_exchange_the_queue_itself_gets_it() -> None:
    assert resolve_exchange(Posting("a", MESSAGE), lambda _: pytest.fail("not asked")) == ["a"]
