"""The ideal scheduler that fairness is measured against."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.ideal import LONG_SECONDS, SHORT_SECONDS, Ran, extra_waits, ideal_starts, mix

TASKS = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 30)), max_size=40).map(sorted)
SLOTS = st.integers(1, 4)


@given(TASKS, SLOTS)
def test_never_more_at_once_than_slots_and_none_before_it_was_sent(
    tasks: list[tuple[int, int]], slots: int
) -> None:
    starts = ideal_starts(tasks, slots)
    assert all(start >= sent for start, (sent, _) in zip(starts, tasks, strict=True))
    spans = [(start, start + takes) for start, (_, takes) in zip(starts, tasks, strict=True)]
    assert all(sum(begin <= now < end for begin, end in spans) <= slots for now in starts)


@given(TASKS, SLOTS)
def test_first_come_first_served_and_no_slot_idle_while_one_waits(
    tasks: list[tuple[int, int]], slots: int
) -> None:
    starts = ideal_starts(tasks, slots)
    assert starts == sorted(starts)
    for index, (start, (sent, _)) in enumerate(zip(starts, tasks, strict=True)):
        if start > sent:
            # It begins at the moment when one ends, and until then all slots were busy.
            before = [(starts[each], starts[each] + tasks[each][1]) for each in range(index)]
            assert any(end == start for _, end in before)
            assert sum(begin < start <= end for begin, end in before) >= slots


@given(TASKS, SLOTS)
def test_who_does_as_the_ideal_has_no_extra_wait(tasks: list[tuple[int, int]], slots: int) -> None:
    starts = ideal_starts(tasks, slots)
    ran = [Ran(sent, start, start + takes) for start, (sent, takes) in zip(starts, tasks, strict=True)]
    assert set(extra_waits(ran, slots, longest=1000)) <= {0}


def test_a_short_task_behind_a_long_one_has_waited_for_nothing() -> None:
    """Two slots: the second short one was given to the slot of the long one, though the other was idle."""
    ran = [Ran(0, 0, 2000), Ran(1, 1, 2), Ran(2, 2000, 2001)]
    assert extra_waits(ran, slots=2, longest=1000) == [0, 1998]


def test_behind_two_long_ones_even_the_ideal_waits() -> None:
    ran = [Ran(0, 0, 2000), Ran(0, 0, 2000), Ran(1, 2005, 2006)]
    assert extra_waits(ran, slots=2, longest=1000) == [5]


def test_who_was_let_past_has_no_extra_wait_but_the_other_has() -> None:
    ran = [Ran(0, 0, 10), Ran(1, 15, 20), Ran(2, 10, 15)]
    assert extra_waits(ran, slots=1, longest=1000) == [0, 5, 0]


def test_the_mix_is_the_same_each_time_and_has_a_long_one_in_every_six_hundred() -> None:
    tasks = list(mix(1800))
    assert tasks == list(mix(1800))
    for begin in range(0, 1800, 600):
        takes = [seconds for _, seconds in tasks[begin : begin + 600]]
        assert sorted(set(takes)) == [SHORT_SECONDS, LONG_SECONDS]
        assert takes.count(LONG_SECONDS) == 1
    assert [at for at, _ in tasks] == sorted(at for at, _ in tasks)
    assert sum(at == 0 for at, _ in tasks) == 20
