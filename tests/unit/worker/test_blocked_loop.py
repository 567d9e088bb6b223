"""When a loop counts as blocked."""

from __future__ import annotations

from fleet.worker.blocked_loop import WEDGED_SECONDS, why_blocked
from fleet.worker.progress import HeldUp


def test_a_loop_that_has_turned_within_a_minute_is_not_blocked() -> None:
    assert why_blocked(None, WEDGED_SECONDS - 1) is None
    assert why_blocked(HeldUp(WEDGED_SECONDS - 1, "fetch"), 0.0) is None


def test_the_task_that_blocks_an_event_loop_is_named_rather_than_the_worker_s_own_loop() -> None:
    assert (
        why_blocked(HeldUp(61.0, "fetch"), 61.0) == "its event loop has not turned for 61s: fetch blocks it"
    )
    assert why_blocked(None, 61.0) == "its loop has not turned for 61s: a task blocks it"
