"""Durations for people: short, in units that are read without thinking."""

from __future__ import annotations

import pytest

from fleet.duration_words import exactly, measured, roughly


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.0, "0.0 s"),
        (0.0204, "20 ms"),
        (0.4, "0.4 s"),
        (12.3, "12 s"),
        (59.6, "1 min 0 s"),
        (200, "3 min 20 s"),
        (5 * 3600 + 185, "5 h 3 min"),
        (2 * 86400 + 4 * 3600, "2 d 4 h"),
    ],
)
def test_a_measured_duration_has_two_units_at_most(seconds: float | None, text: str) -> None:
    assert measured(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (59.4, "59 s"),
        (61, "1 min"),
        (5400, "90 min"),
        (7300, "2 h"),
        (90000, "25 h"),
        (172800, "2 d"),
    ],
)
def test_a_rough_duration_has_one_unit(seconds: float, text: str) -> None:
    assert roughly(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.25, "0.25 s"),
        (90, "90 s"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (90000, "1 day 1 h"),
        (125, "2 min 5 s"),
    ],
)
def test_an_ordered_duration_is_said_exactly(seconds: float, text: str) -> None:
    assert exactly(seconds) == text
