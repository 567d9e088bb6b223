"""What the log says of workers between two looks."""

from __future__ import annotations

from fleet.controller.observed.changes import worker_changes
from tests.unit.controller.observed.test_unresponsive import observation

STARTING, READY = observation(silent=1.0, state="starting"), observation(silent=1.0)


def test_how_long_a_worker_took_is_told_of_those_that_this_controller_saw_start() -> None:
    (worker,) = READY.workers
    assert worker.ready_since is not None
    ((level, said),) = worker_changes(STARTING, READY, began=worker.started - 1)
    assert level == "INFO"
    assert said.startswith("http/0 ready in ")
    # It was there before this controller, and has perhaps been ready for hours.
    assert list(worker_changes(STARTING, READY, began=worker.started + 1)) == [
        ("INFO", "http/0 ready (pid 7)")
    ]
