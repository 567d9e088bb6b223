"""The estimate of a group's load: of long tasks by looking, of short ones by the seconds that they took."""

from __future__ import annotations

from dataclasses import replace

from fleet.controller.autoscale.samples import Sample, estimate, mean_task_seconds, since

LOW = Sample(at=0.0, waiting=0, held=2, in_flight=2, done=0, busy_seconds=0.0)
HIGH = Sample(at=10.0, waiting=30, held=2, in_flight=4, done=20, busy_seconds=40.0)


def test_one_sample_is_a_guess_by_what_runs() -> None:
    found = estimate([HIGH], 1.0)
    assert (found.seconds, found.busy, found.waited) == (0.0, 4.0, True)


def test_arrivals_are_what_was_done_and_what_the_queue_grew_by() -> None:
    found = estimate([LOW, HIGH], 1.0)
    assert found.growth_per_second == 3.2  # 2 outstanding, then 34: what runs, though less is held
    assert found.arrivals_per_second == 5.2
    assert found.offered(2.0) == found.busy + 6.4


def test_short_tasks_count_by_their_seconds_and_long_ones_by_how_many_were_seen() -> None:
    assert estimate([LOW, HIGH], 1.0).busy == 4.0
    assert estimate([LOW, HIGH], 60.0).busy == 3.0


def test_a_queue_that_shrinks_has_no_growth() -> None:
    found = estimate([replace(HIGH, at=0.0), replace(LOW, at=10.0, done=20)], 1.0)
    assert found.growth_per_second == 0.0


def test_the_mean_time_of_a_task_is_known_only_when_some_ended() -> None:
    assert mean_task_seconds([LOW, HIGH]) == 2.0
    assert mean_task_seconds([LOW, LOW]) is None


def test_a_window_begins_with_the_last_sample_before_it() -> None:
    assert since([LOW, HIGH], 5.0) == (LOW, HIGH)
    assert since([LOW, HIGH], 10.0) == (HIGH,)
