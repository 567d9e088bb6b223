"""Soft limits in threads: they hit the task that they are for, and nothing after it."""

from __future__ import annotations

import threading
import time

import pytest

from fleet.tasks import SoftTimeLimitExceeded
from fleet.worker.pools.interrupts import Interrupt, Interrupts


def soft_error(seconds: float) -> BaseException:
    return SoftTimeLimitExceeded(f"soft time limit {seconds:g}s exceeded")


def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.0001)  # let the others run


def test_a_task_that_takes_too_long_is_interrupted() -> None:
    limits = Interrupts(soft_error)
    with pytest.raises(SoftTimeLimitExceeded, match=r"soft time limit 0\.05s exceeded"), limits(0.05, None):
        spin(30)


def test_one_that_is_in_time_is_not() -> None:
    limits = Interrupts(soft_error)
    with limits(30, None):
        spin(0.01)
    with limits(None, 1.0):
        spin(0.01)


def test_a_task_may_handle_it_and_end_well() -> None:
    limits = Interrupts(soft_error)
    with limits(0.05, None), pytest.raises(SoftTimeLimitExceeded):
        spin(30)


def test_the_shortest_limit_comes_first() -> None:
    limits = Interrupts(soft_error)
    thread = threading.Thread(target=lambda: limits(60, None).__enter__())
    thread.start()
    thread.join()
    with pytest.raises(SoftTimeLimitExceeded), limits(0.05, None):
        spin(30)


def test_nothing_is_raised_after_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """The task ends when it has been decided that it is too late, and before that has reached its thread."""
    original = Interrupt.throw

    def late(interrupt: Interrupt) -> None:
        time.sleep(0.1)
        original(interrupt)

    monkeypatch.setattr(Interrupt, "throw", late)
    limits = Interrupts(soft_error)
    with pytest.raises(SoftTimeLimitExceeded), limits(0.02, None):
        spin(0.05)
    spin(0.2)
