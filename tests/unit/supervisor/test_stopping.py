"""Which signals end a process, and when."""

from __future__ import annotations

from signal import SIGKILL, SIGTERM

from fleet.supervisor.stopping import APART_SECONDS, URGED_SECONDS, Step, at_once, gently, urgently


def test_gently_is_a_drain_with_an_end():
    assert gently(10.0, 30.0) == (Step(10.0, SIGTERM), Step(40.0, SIGKILL))


def test_urgently_is_a_second_sigterm_and_soon_the_end():
    assert urgently(10.0, 5.0) == (Step(10.0, SIGTERM), Step(10.0 + URGED_SECONDS, SIGKILL))


def test_the_second_is_never_too_close_to_the_first():
    assert urgently(10.0, 9.9)[0] == Step(9.9 + APART_SECONDS, SIGTERM)


def test_an_urgent_stop_without_a_first_signal_sends_both_apart():
    second = 10.0 + APART_SECONDS
    assert urgently(10.0, None) == (
        Step(10.0, SIGTERM),
        Step(second, SIGTERM),
        Step(second + URGED_SECONDS, SIGKILL),
    )


def test_a_process_that_is_stopped_at_once_gets_sigkill_alone():
    assert at_once(10.0) == (Step(10.0, SIGKILL),)
