"""Bars of a simulation for a terminal: the largest value fills them, and none that is there is invisible."""

from __future__ import annotations

import pytest

from fleet.simulation.chart import bars, charts, clock, squeeze
from fleet.simulation.world import History, Point


def test_values_that_have_no_room_are_shown_by_the_largest_of_them() -> None:
    assert squeeze([1, 9, 2, 3], 2) == [9, 3]
    assert squeeze([1, 2], 5) == [1, 2]


def test_the_largest_value_fills_its_column_and_the_smallest_is_seen() -> None:
    top, bottom = bars([1000, 1, 0], 2)
    assert top == "    1000 █"
    assert bottom == "       0 █▁"


def test_nothing_at_all_is_an_empty_chart() -> None:
    assert list(bars([0, 0], 2)) == ["       0", "       0"]


@pytest.mark.parametrize(("seconds", "expected"), [(0, "0:00"), (450, "7:30"), (3725, "1:02:05")])
def test_times_are_written_as_on_a_clock(seconds: float, expected: str) -> None:
    assert clock(seconds) == expected


def test_a_history_has_two_charts_and_one_axis() -> None:
    points = [Point(float(at), at, 1, 2, 2) for at in range(0, 120, 10)]
    lines = list(charts(History("http", points=points), 40))
    assert lines[0] == "http replicas"
    assert lines[5] == "http waiting"
    assert lines[-1].endswith("1:50")
