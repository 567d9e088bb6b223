"""Durations as tasks give them become seconds; what can't be waited for is refused with its name."""

from __future__ import annotations

from datetime import timedelta

import pytest

from fleet.tasks.durations import LONGEST_SECONDS, Duration, checked, seconds


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, None), (1.5, 1.5), ("90s", 90.0), ("2m", 120.0), (timedelta(hours=1), 3600.0)],
)
def test_a_duration_in_any_form_is_in_seconds(value: Duration | None, expected: float | None) -> None:
    assert seconds(value, "delay") == expected


def test_a_duration_that_is_none_is_refused_with_what_it_was_for() -> None:
    with pytest.raises(ValueError, match="time_limit must be seconds or a duration like \"30s\", got 'soon'"):
        seconds("soon", "time_limit")


@pytest.mark.parametrize("value", [True, "1", float("nan"), LONGEST_SECONDS * 2])
def test_a_number_that_cannot_be_waited_for_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="delay must be"):
        checked(value, "delay")


def test_a_time_in_the_past_is_now() -> None:
    assert checked(-5, "delay") == 0.0
