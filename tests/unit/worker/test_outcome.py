"""The decision what becomes of a message, by how its delivery ended."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.worker.outcome import (
    ACK,
    Ack,
    Bury,
    Decision,
    Kind,
    Outcome,
    Policy,
    Postpone,
    PutBack,
    decide,
    under,
)

POLICY = Policy(
    max_retries=3,
    retry_backoff_seconds=1.0,
    retry_backoff_max_seconds=600.0,
    soft_time_limit_seconds=None,
    time_limit_seconds=None,
)


def decided(
    kind: Kind, *, retries: int = 0, attempt: int = 1, policy: Policy = POLICY, delay: float | None = None
) -> Decision:
    outcome = Outcome(kind, "why", "trace", delay_seconds=delay, exit_signal=9)
    return decide(outcome, policy, retries=retries, attempt=attempt, random=lambda: 1.0)


def test_what_succeeded_is_acknowledged() -> None:
    assert decided("succeeded") is ACK


def test_what_expired_is_acknowledged_with_the_reason() -> None:
    assert decided("expired") == Ack("why")


def test_what_can_never_run_is_dead_lettered_whatever_it_has_left() -> None:
    assert decided("rejected") == Bury("why", "trace")


@pytest.mark.parametrize("attempt", [1, 4])
def test_what_lost_its_process_is_put_back_while_it_has_deliveries_left(attempt: int) -> None:
    assert decided("lost", attempt=attempt) == PutBack(f"why (delivery {attempt} of 5)")


@pytest.mark.parametrize("attempt", [5, 6])
def test_what_lost_its_process_too_often_is_dead_lettered_with_the_signal(attempt: int) -> None:
    expected = Bury(f"why (delivery {attempt}, max_deliveries is 5)", "trace", 9)
    assert decided("lost", attempt=attempt) == expected


@pytest.mark.parametrize(("retries", "seconds"), [(0, 1.0), (1, 2.0), (2, 4.0)])
def test_what_failed_is_retried_later_each_time(retries: int, seconds: float) -> None:
    match decided("failed", retries=retries):
        case Postpone(delay, count, note, trace):
            assert (delay, count, trace) == (seconds, retries + 1, "trace")
            assert note == f"why (retry {retries + 1} of 3 in {seconds:.1f}s)"
        case other:
            pytest.fail(str(other))


def test_a_retry_that_names_its_delay_has_that_and_no_other() -> None:
    found = decided("retry", delay=90.0)
    assert isinstance(found, Postpone)
    assert found.delay_seconds == 90.0


def test_a_negative_delay_is_none() -> None:
    found = decided("retry", delay=-5.0)
    assert isinstance(found, Postpone)
    assert found.delay_seconds == 0.0


def test_what_failed_after_its_last_retry_is_dead_lettered() -> None:
    assert decided("failed", retries=3) == Bury("why (after 3 retries)", "trace")
    assert decided("failed", policy=under(POLICY, {"max_retries": 0})) == Bury("why (no retries)", "trace")


@given(retries=st.integers(0, 10**6), chance=st.floats(0, 1, exclude_max=True))
def test_a_retry_is_never_later_than_the_longest_backoff(retries: int, chance: float) -> None:
    patient = under(POLICY, {"max_retries": 10**7})
    found = decide(Outcome("failed"), patient, retries=retries, attempt=1, random=lambda: chance)
    assert isinstance(found, Postpone)
    assert 0.5 <= found.delay_seconds <= 600.0


def test_a_tasks_own_policy_goes_before_the_groups() -> None:
    assert under(POLICY, {"max_retries": 9}).max_retries == 9
    assert under(POLICY, {}) is POLICY
