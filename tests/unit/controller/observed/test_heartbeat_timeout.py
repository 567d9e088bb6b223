"""When a worker that says nothing counts as silent."""

from __future__ import annotations

from fleet.controller.observed.heartbeat_timeout import SILENT_AFTER_SECONDS, is_timed_out, last_heard


def test_a_worker_is_silent_after_its_last_report_or_its_start() -> None:
    assert last_heard(7.0, started=1.0, listening_since=0.0) == 7.0
    assert last_heard(None, started=1.0, listening_since=0.0) == 1.0
    assert not is_timed_out(7.0, 7.0 + SILENT_AFTER_SECONDS)
    assert is_timed_out(7.0, 7.1 + SILENT_AFTER_SECONDS)


def test_a_controller_that_has_just_started_gives_every_worker_the_whole_time() -> None:
    assert last_heard(7.0, started=1.0, listening_since=90.0) == 90.0
