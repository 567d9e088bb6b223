"""Slots of a group that scales: the lowest free ones are filled, the idle ones go first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet.controller.autoscale.slots import SlotLoad, filled, in_flight_of, most_idle, without_most_idle

LOADS = [SlotLoad(0, 3), SlotLoad(1, 0), SlotLoad(2, 1), SlotLoad(4, 0), SlotLoad(2, 5)]


def test_a_group_that_grows_fills_its_lowest_free_slots() -> None:
    assert filled([0, 3], 4) == (0, 1, 2, 3)
    assert filled([], 2) == (0, 1)


def test_a_slot_with_two_workers_has_the_work_of_both() -> None:
    assert in_flight_of(LOADS, 2) == 6


def test_the_idle_slot_goes_first_of_equals_the_highest() -> None:
    assert most_idle(LOADS, (0, 1, 2, 4)) == 4
    assert most_idle(LOADS, (0, 1, 2)) == 1
    assert without_most_idle(LOADS, (0, 1, 2, 4), 2) == (0, 2)


@given(st.sets(st.integers(0, 20)), st.integers(0, 30))
def test_filling_keeps_the_slots_that_are_there(slots: set[int], more: int) -> None:
    found = filled(sorted(slots), len(slots) + more)
    assert slots <= set(found)
    assert len(found) == len(slots) + more
