"""What may be sent ahead to a pool process: short work only, and a moment's worth."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet.worker.pools.send_ahead import Paces, fits, is_stuck

seconds = st.floats(0, 1e4)
counts = st.integers(0, 1000)
sizes = st.integers(0, 10_000_000)


@given(counts, seconds, seconds, sizes)
def test_a_window_is_never_more_than_a_moments_work(
    count: int, booked: float, expected: float, size: int
) -> None:
    if fits(count, booked, expected, size):
        assert booked + expected <= 0.005
        assert count < 64


@given(st.floats(0.0021, 1e4))
def test_nothing_waits_behind_what_is_not_short(booked: float) -> None:
    assert not fits(1, max(booked, 0.004), 0.0001, 10)


@given(st.floats(0.0021, 1e4))
def test_what_is_not_short_is_not_sent_ahead(expected: float) -> None:
    assert not fits(1, 0.0001, expected, 10)


def test_short_tasks_fill_a_window() -> None:
    booked, count = 0.0, 0
    while fits(count, booked, 0.0001, 100):
        booked, count = booked + 0.0001, count + 1
    assert 16 <= count <= 64


def test_a_large_body_is_not_sent_ahead() -> None:
    assert not fits(1, 0.0001, 0.0001, 1_000_000)


def test_a_task_has_to_show_that_it_is_short_and_loses_it_at_once() -> None:
    paces = Paces()
    assert not fits(0, 0.0, paces.expect("t"), 10)
    runs = 0
    while not fits(0, 0.0, paces.expect("t"), 10):
        paces.ended("t", 0.0001)
        runs += 1
    assert 10 <= runs <= 50
    paces.ended("t", 2.0)
    assert not fits(0, 0.0, paces.expect("t"), 10)
    assert not fits(0, 0.0, paces.expect("another"), 10)


def test_who_is_stuck_depends_on_whether_another_is_idle() -> None:
    assert is_stuck(0.01, another_is_idle=True)
    assert not is_stuck(0.01, another_is_idle=False)
    assert is_stuck(0.1, another_is_idle=False)
    assert not is_stuck(0.001, another_is_idle=True)
