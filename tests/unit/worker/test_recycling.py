"""When a process has done its share."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from fleet.launch_specs import WorkerSpec
from fleet.spec import BrokerSpec
from fleet.worker.recycling import LEAST_SECONDS, Share, is_far_above, is_hopeless, last_task, worn

MIB = 1024 * 1024
SPEC = WorkerSpec("f", "g", (), (), BrokerSpec("memory://"), (), "prefork", 2)
lucks = st.floats(0, 1, exclude_max=True)


def limited(**limits: object) -> WorkerSpec:
    return replace(SPEC, **limits)  # type: ignore[arg-type]


@given(st.integers(1, 10_000), lucks)
def test_the_number_of_tasks_is_never_exceeded_and_nearly_used_up(most: int, luck: float) -> None:
    number = last_task(limited(max_tasks=most), Share(0.0, luck))
    assert number is not None
    assert max(1, most * 0.9) <= number <= most


def test_processes_that_start_together_do_not_end_together() -> None:
    spec = limited(max_tasks=1000, max_age_seconds=1000.0)
    shares = [Share(0.0, luck / 10) for luck in range(10)]
    assert len({last_task(spec, share) for share in shares}) == 10
    assert {bool(worn(spec, share, 950.0, 0)) for share in shares} == {True, False}


def test_without_limits_it_lasts_for_ever() -> None:
    assert last_task(SPEC, Share(0.0, 0.5)) is None
    assert worn(SPEC, Share(0.0, 0.5), 1e9, 1 << 50) is None
    assert not is_far_above(SPEC, Share(0.0, 0.5), 1 << 50)


@given(st.floats(0, LEAST_SECONDS, exclude_max=True), st.integers(0, 1 << 50))
def test_a_young_process_stays_whatever_it_holds(age: float, held: int) -> None:
    assert worn(limited(max_memory_bytes=1, max_age_seconds=0.1), Share(0.0, 0.9), age, held) is None


@given(st.integers(0, 4096), st.integers(0, 4096), st.integers(1, 4096))
def test_a_process_is_worn_when_it_holds_more_than_max_memory_and_has_grown(
    first: int, held: int, limit: int
) -> None:
    spec, share = limited(max_memory_bytes=limit * MIB), Share(0.0, 0.0, first * MIB)
    reason = worn(spec, share, LEAST_SECONDS, held * MIB)
    assert bool(reason) == (held > limit and held > first * 1.25)
    if is_far_above(spec, share, held * MIB):
        assert reason
        assert held > 2 * limit


def test_a_limit_below_what_the_app_needs_never_replaces_for_nothing() -> None:
    spec, share = limited(max_memory_bytes=50 * MIB), Share(0.0, 0.0, 80 * MIB)
    assert is_hopeless(spec, share)
    assert worn(spec, share, 1e6, 81 * MIB) is None
    assert worn(spec, share, 1e6, 120 * MIB) == "max_memory 50MiB exceeded: holds 120MiB"


def test_a_process_that_reached_max_age_says_so() -> None:
    assert worn(limited(max_age_seconds=60.0), Share(0.0, 0.0), 60.0, 0) == "max_age 60s reached"
