"""The statistics of all workers added up: each event once, whatever starts again in between."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet.controller.history.totals import Key, Totals
from fleet.telemetry import (
    MOST_ERRORS,
    MOST_SERIES,
    OTHER,
    SUCCEEDED,
    ErrorEntry,
    Statistics,
    TaskEntry,
    nothing,
)

NOW = 1_000_000.0
IO = Key("task", "io", "t")


def numbers(succeeded: int) -> list[float]:
    found = nothing()
    found[SUCCEEDED] = succeeded
    return found


def told(
    succeeded: int, *, birth: str = "a", task: str = "t", last: bool = False, worker: str = "http/0"
) -> Statistics:
    entry = TaskEntry("io", task, numbers(succeeded), NOW if succeeded else 0.0)
    return Statistics(worker, 1, birth, (entry,), last=last)


def failed(times: int, *, birth: str = "a", place: str = "p", example: str = "") -> Statistics:
    entry = ErrorEntry("ValueError", place, times, NOW - 5, NOW, id=example)
    return Statistics("http/0", 1, birth, (), (entry,))


def total(ledger: Totals, key: Key = IO) -> float:
    return ledger.totals[key][SUCCEEDED]


def test_what_is_told_again_counts_once() -> None:
    ledger = Totals()
    for succeeded in (3, 3, 5):
        ledger.take(told(succeeded), NOW)
    assert total(ledger) == 5
    assert total(ledger, Key("group", "http")) == 5


def test_every_process_counts_for_itself() -> None:
    ledger = Totals()
    ledger.take(told(3, birth="a"), NOW)
    ledger.take(told(2, birth="b"), NOW)
    assert total(ledger) == 5


def test_groups_that_workers_make_up_are_bounded_and_their_tasks_counted_all_the_same() -> None:
    ledger = Totals()
    for number in range(1000):
        ledger.take(told(1, birth=f"{number:x}", worker=f"made-up{number}/0"), NOW)
    assert len(ledger.totals) <= 201
    assert total(ledger) == 1000


def test_a_count_that_went_down_takes_nothing_away() -> None:
    ledger = Totals()
    ledger.take(told(5), NOW)
    ledger.take(told(2), NOW)
    assert total(ledger) == 5


def test_nothing_is_taken_from_a_process_after_its_last_word() -> None:
    ledger = Totals()
    ledger.take(told(5, last=True), NOW)
    ledger.forget(["a"])
    ledger.take(told(5), NOW)
    assert total(ledger) == 5


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 5), st.booleans()), max_size=40))
def test_whenever_a_controller_is_killed_and_comes_back_each_event_counts_once(
    steps: list[tuple[str, int, bool]],
) -> None:
    """What is on disk is a copy of both totals and baselines at some moment; workers then tell all they have."""
    counted = dict.fromkeys("abc", 0)
    ledger, saved = Totals(), ({}, {})
    for birth, more, killed in steps:
        counted[birth] += more
        ledger.take(told(counted[birth], birth=birth), NOW)
        if killed:
            ledger = Totals(totals=dict(saved[0]), baselines=dict(saved[1]))
            for each, succeeded in counted.items():
                ledger.take(told(succeeded, birth=each), NOW)
        else:
            saved = dict(ledger.totals), dict(ledger.baselines)
    assert sum(each[SUCCEEDED] for key, each in ledger.totals.items() if key == IO) == sum(counted.values())


def test_there_are_never_more_series_than_the_most_and_the_rest_is_other() -> None:
    ledger = Totals()
    for number in range(MOST_SERIES + 20):
        ledger.take(told(1, task=f"t{number}"), NOW)
    assert len(ledger.totals) == MOST_SERIES + 1
    assert total(ledger, Key("task", OTHER, OTHER)) == 21, "one place is taken by the group"


def test_a_window_has_the_minutes_that_reach_into_it() -> None:
    ledger = Totals()
    for minute in range(4):
        ledger.take(told(minute + 1), NOW + 60 * minute)
    seconds, found = ledger.window(60, NOW + 180)
    assert 60 <= seconds < 120
    assert found[IO][SUCCEEDED] == 2


def test_errors_of_several_workers_are_one_group() -> None:
    ledger = Totals()
    ledger.take(failed(3, birth="a", example="one"), NOW)
    ledger.take(failed(4, birth="b", example="two"), NOW)
    ledger.take(failed(5, birth="b"), NOW)
    [group] = ledger.errors.values()
    assert group.times == 8
    assert group.example.id == "two", "the latest that has one"


def test_there_are_never_more_groups_of_errors_than_the_most() -> None:
    ledger = Totals()
    for number in range(MOST_ERRORS + 7):
        ledger.take(failed(1, place=f"p{number}"), NOW)
    assert len(ledger.errors) == MOST_ERRORS + 1
    assert sum(group.times for group in ledger.errors.values()) == MOST_ERRORS + 7
