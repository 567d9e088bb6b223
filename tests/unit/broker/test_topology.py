"""Delays round up but not far, and exchanges route as AMQP does."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.broker.delivery import Posting
from fleet.broker.topology import binding_pattern, delay_milliseconds, resolve_exchange
from fleet.protocol import Encoded

MESSAGE = Encoded(b"", {}, {})


@given(st.floats(min_value=0.0001, max_value=10**7))
def test_a_delay_is_never_shortened_and_at_most_a_tenth_longer(seconds: float) -> None:
    milliseconds = delay_milliseconds(seconds)
    assert milliseconds >= seconds * 1000
    assert milliseconds <= max(seconds * 1000 * 1.1, seconds * 1000 + 1)
    assert len(str(milliseconds).rstrip("0")) <= 2  # so that there are few delay queues


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
def test_topic_bindings(binding: str, matching: list[str], others: list[str]) -> None:
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
