"""The backoff of a worker: doubled each time, bounded, spread out, never at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.worker.backoff import exponential, jittered


@pytest.mark.parametrize(
    ("tries", "seconds"), [(-1, 1.0), (0, 1.0), (1, 2.0), (5, 32.0), (6, 60.0), (10**9, 60.0)]
)
def test_a_backoff_doubles_up_to_its_cap(tries: int, seconds: float) -> None:
    assert exponential(tries, base=1.0, cap=60.0) == seconds


@given(seconds=st.floats(0, 1e6), chance=st.floats(0, 1, exclude_max=True))
def test_a_jittered_wait_is_between_half_and_all_of_it(seconds: float, chance: float) -> None:
    assert seconds / 2 <= jittered(seconds, lambda: chance) <= seconds
