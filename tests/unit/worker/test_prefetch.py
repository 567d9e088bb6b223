"""How many deliveries a worker holds: a property of how long its tasks take."""

from __future__ import annotations

import itertools
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fleet.launch_specs import WorkerSpec
from fleet.spec import BrokerSpec
from fleet.worker.prefetch import Prefetch, ahead

SPEC = WorkerSpec("f", "g", (), (), BrokerSpec("memory://"), (), "gevent", 10)
counts = st.integers(1, 2000)
durations = st.floats(0, 1e6)
aheads = st.integers(0, 1000)


@given(aheads, counts, durations)
def test_nothing_is_taken_ahead_of_long_tasks(before: int, slots: int, seconds: float) -> None:
    if seconds > 0.05 * slots:
        assert ahead(before, slots, seconds) == 0


@given(aheads, counts, durations)
def test_what_lies_here_is_work_for_a_moment_only(before: int, slots: int, seconds: float) -> None:
    number = ahead(before, slots, seconds)
    assert number * max(seconds, 0.00005) / slots <= 0.0401


@given(aheads, counts, durations)
def test_short_tasks_hide_the_way_to_the_broker(before: int, slots: int, seconds: float) -> None:
    number = ahead(before, slots, seconds)
    if seconds < 0.01:
        assert number >= 1
        assert number >= 1000 or number * max(seconds, 0.00005) / slots >= 0.0049


@given(aheads, counts, durations)
def test_prefetch_settles_on_a_number_at_once(before: int, slots: int, seconds: float) -> None:
    number = ahead(before, slots, seconds)
    assert ahead(number, slots, seconds) == number


@given(aheads, counts, st.floats(1e-6, 10), st.lists(st.floats(0.75, 1.4), min_size=20, max_size=20))
def test_noise_never_moves_it_to_and_fro(before: int, slots: int, seconds: float, noise: list[float]) -> None:
    numbers = [ahead(before, slots, seconds)]
    for factor in noise:
        numbers.append(ahead(numbers[-1], slots, seconds * factor))
    # From the edge of its band it may move once, and from the rounded number once more.
    moves = sum(one != next_one for one, next_one in itertools.pairwise(numbers))
    assert moves <= 2


def prefetch(**settings: object) -> Prefetch:
    return Prefetch(replace(SPEC, **settings))  # type: ignore[arg-type]


clock = itertools.count(1)


def after(prefetch: Prefetch, *seconds: float) -> int:
    for each in seconds:
        prefetch.ended(each)
        prefetch.look(float(next(clock)))
    return prefetch.held


def test_nothing_is_taken_ahead_before_something_is_known() -> None:
    assert prefetch().held == 10
    assert after(prefetch(), 0.0001, 0.0001) == 10


def test_prefetch_follows_the_duration_of_tasks() -> None:
    auto = prefetch()
    assert after(auto, *[0.0001] * 10) > 500
    assert after(auto, *[10.0] * 10) == 10
    assert after(auto, *[0.0001] * 400) > 500


def test_a_single_long_task_is_enough_to_stop_it() -> None:
    auto = prefetch()
    after(auto, *[0.0001] * 10)
    assert after(auto, 60.0) == 10


def test_when_nothing_ends_nothing_is_taken_ahead() -> None:
    auto = prefetch()
    after(auto, *[0.0001] * 10)
    auto.stalled(10.0)
    assert auto.look(float(next(clock)))
    assert (auto.held, auto.is_ahead) == (10, False)


def test_prefetch_that_the_file_says_holds_whatever_tasks_take() -> None:
    assert after(prefetch(prefetch=33), *[0.0001] * 50) == 33
    assert prefetch(prefetch=0).held == 1


def test_solo_runs_one_whatever_its_concurrency() -> None:
    assert prefetch(pool="solo").held == 1


@given(aheads, counts, durations, st.floats(1, 1e9))
def test_large_bodies_are_not_hoarded_however_short_the_tasks(
    before: int, slots: int, seconds: float, size: float
) -> None:
    number = ahead(before, slots, seconds, size)
    assert number * size <= 128 * 2**20 or number == 0


def test_one_large_body_among_small_ones_is_enough() -> None:
    prefetch = Prefetch(SPEC)
    for _ in range(10):
        prefetch.ended(0.0001, 100)
    assert prefetch.look(1.0)
    assert prefetch.held > 500
    prefetch.ended(0.0001, 20_000_000)
    assert prefetch.look(2.0)
    assert prefetch.held <= SPEC.concurrency + 4
