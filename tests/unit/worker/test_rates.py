"""Celery's rate limits: what may start now, and when the rest is to come again."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.worker.rates import Rates, seconds_between


@pytest.mark.parametrize(
    ("rate", "seconds"),
    [
        ("10/m", 6.0),
        ("5/s", 0.2),
        ("2.5", 0.4),
        ("36/h", 100.0),
        ("0/m", 0.0),
        ("", 0.0),
        (None, 0.0),
        ("x/m", 0.0),
    ],
)
def test_rates_as_celery_writes_them(rate: str | None, seconds: float) -> None:
    assert seconds_between(rate) == pytest.approx(seconds)


def test_one_starts_and_the_others_get_turns_of_their_own() -> None:
    rates = Rates()
    waits = [rates.wait("t", "2/s", 100.0) for _ in range(4)]
    assert waits == [0.0, 0.5, 1.0, 1.5]
    assert rates.wait("other", "2/s", 100.0) == 0.0


def test_a_new_limit_holds_at_once() -> None:
    rates = Rates()
    rates.wait("t", "1/h", 100.0)
    rates.reset("t")
    assert rates.wait("t", "1/h", 100.0) == 0.0


@given(st.lists(st.floats(0.0, 0.5), min_size=1, max_size=60))
def test_never_more_than_the_rate_whenever_they_come(gaps: list[float]) -> None:
    rates, now, started = Rates(), 0.0, []
    for gap in gaps:
        now += gap
        if rates.wait("t", "5/s", now) == 0.0:
            started.append(now)
    assert all(later - earlier >= 0.2 - 1e-9 for earlier, later in pairwise(started))
