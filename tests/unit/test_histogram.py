"""Histograms over the bounds that never change."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.histogram import BOUNDS, BUCKETS, bucket, quantile

OPENTELEMETRY = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)


def test_the_bounds_are_the_ones_that_all_kept_histograms_have() -> None:
    assert BUCKETS == 43
    assert list(BOUNDS) == sorted(set(BOUNDS))
    assert set(OPENTELEMETRY) <= set(BOUNDS)
    assert (BOUNDS[0], BOUNDS[-1]) == (0.001, 86400)


def test_a_bound_belongs_to_the_bucket_below_it() -> None:
    assert bucket(0.0) == bucket(0.001) == 0
    assert bucket(0.0011) == 1
    assert bucket(1e9) == BUCKETS - 1


def test_a_quantile_of_nothing_is_not_known() -> None:
    assert quantile([0] * BUCKETS, 0.5) is None


@given(st.lists(st.floats(0, 80_000), min_size=1, max_size=60), st.sampled_from([0.0, 0.5, 0.95, 0.99, 1.0]))
def test_a_quantile_lies_in_the_bucket_of_the_value_it_stands_for(values: list[float], part: float) -> None:
    counts = [0] * BUCKETS
    for value in values:
        counts[bucket(value)] += 1
    found = quantile(counts, part)
    assert found is not None
    exact = sorted(values)[max(0, min(len(values) - 1, -(-int(part * len(values) * 1000) // 1000) - 1))]
    low = BOUNDS[bucket(exact) - 1] if bucket(exact) else 0.0
    assert low - 1e-9 <= found <= BOUNDS[min(bucket(exact) + 1, BUCKETS - 2)] + 1e-9 or part in (0.0, 1.0)


def test_beyond_the_last_bound_a_quantile_says_that_bound() -> None:
    counts = [0] * BUCKETS
    counts[-1] = 3
    assert quantile(counts, 0.5) == pytest.approx(86400)
