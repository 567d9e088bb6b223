"""What the soak calls flat."""

from __future__ import annotations

import pytest

from tests.chaos.soak import Course, Report, Sample, courses

MIB = 1024 * 1024


def course(grown: int = 0, opened: int = 0) -> Course:
    return Course("worker", 1, Sample(50 * MIB, 20), Sample(50 * MIB + grown, 20 + opened))


@pytest.mark.parametrize(("grown", "opened", "flat"), [(MIB, 1, True), (4 * MIB, 0, False), (0, 5, False)])
def test_a_little_is_noise_and_more_is_a_leak(grown: int, opened: int, flat: bool) -> None:
    assert Report(1, 0, [course(grown, opened)]).is_flat is flat


def test_a_soak_without_samples_shows_no_course() -> None:
    assert not Report(1, 0, []).is_flat


def test_only_who_was_there_all_the_time_is_judged() -> None:
    steady = [Sample(number * MIB, number) for number in range(8)]
    (found,) = courses({1: steady, 2: steady[:5]}, {1: "worker", 2: "child"})
    assert (found.before.descriptors, found.after.descriptors) == (2, 6)
