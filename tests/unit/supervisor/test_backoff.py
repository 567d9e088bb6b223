"""After which exit a program is started again when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fleet.launch_specs import Exit
from fleet.supervisor.backoff import (
    CLEAN_SECONDS,
    CONDEMNED_SECONDS,
    FIRST_SECONDS,
    HEALTHY_SECONDS,
    LONGEST_SECONDS,
    Restart,
    after_exit,
)

codes = st.one_of(st.none(), st.integers(0, 255))
crash_codes = codes.filter(lambda code: code not in (Exit.OK, Exit.BOOT_FAILED))
uptimes = st.floats(0, 1e7)
short_lives = st.floats(0, HEALTHY_SECONDS, exclude_max=True)
long_lives = st.floats(HEALTHY_SECONDS, 1e7)
counts = st.integers(0, 10_000)
jitters = st.floats(0, 1, exclude_max=True)


@given(codes, uptimes, counts, jitters)
def test_never_longer_than_the_cap_and_never_given_up(code, uptime, crashes, jitter):
    verdict = after_exit(code, uptime, crashes, jitter)
    assert 0 <= verdict.delay_seconds <= LONGEST_SECONDS
    assert 0 <= verdict.crashes <= crashes + 1


@given(crash_codes, long_lives, counts, jitters)
def test_the_first_crash_after_a_healthy_life_restarts_at_once(code, uptime, crashes, jitter):
    assert after_exit(code, uptime, crashes, jitter) == Restart(1, 0.0)


@given(crash_codes, short_lives, counts, jitters)
def test_each_crash_in_a_row_waits_about_twice_as_long(code, uptime, crashes, jitter):
    this = after_exit(code, uptime, crashes, jitter)
    following = after_exit(code, uptime, this.crashes, jitter)
    assert this.crashes == crashes + 1
    assert this.delay_seconds <= following.delay_seconds
    if this.delay_seconds:
        assert following.delay_seconds <= 2 * this.delay_seconds


def test_without_jitter_the_waits_are_these():
    crashes, waits = 0, []
    for _ in range(10):
        verdict = after_exit(1, 0.1, crashes, 0.0)
        crashes = verdict.crashes
        waits.append(verdict.delay_seconds)
    assert waits == [0, 0.5, 1, 2, 4, 8, 16, 30, 30, 30]


@given(st.integers(1, 20), jitters)
def test_jitter_only_shortens_and_by_a_quarter_at_most(crashes, jitter):
    longest = after_exit(1, 0.0, crashes, 0.0).delay_seconds
    assert longest * 0.75 <= after_exit(1, 0.0, crashes, jitter).delay_seconds <= longest


@given(uptimes, counts, jitters)
def test_what_cannot_boot_waits_from_the_first_time(uptime, crashes, jitter):
    assert after_exit(Exit.BOOT_FAILED, uptime, crashes, jitter).delay_seconds >= FIRST_SECONDS * 0.75


@given(st.floats(CLEAN_SECONDS, 1e7), counts, jitters)
def test_a_clean_exit_restarts_at_once_and_is_no_crash(uptime, crashes, jitter):
    verdict = after_exit(Exit.OK, uptime, crashes, jitter)
    assert verdict.delay_seconds == 0
    assert verdict.crashes <= crashes


@given(st.floats(0, CLEAN_SECONDS, exclude_max=True), counts, jitters)
def test_a_clean_exit_at_once_is_a_loop_like_any_other(uptime, crashes, jitter):
    assert after_exit(Exit.OK, uptime, crashes, jitter) == after_exit(1, uptime, crashes, jitter)


def test_one_that_has_to_be_killed_again_and_again_is_in_a_storm():
    life = HEALTHY_SECONDS + 5.0  # that long it takes to be found out
    crashes, waits = 0, []
    for _ in range(4):
        verdict = after_exit(None, life, crashes, 0.0, condemned=True)
        crashes = verdict.crashes
        waits.append(verdict.delay_seconds)
    assert waits == [0.0, 0.5, 1.0, 2.0]
    assert after_exit(None, CONDEMNED_SECONDS + life, crashes, 0.0, condemned=True).delay_seconds == 0.0
