"""The scheduler in the status: what its file says, as long as somebody lives who wrote it."""

from __future__ import annotations

import pytest

from fleet.controller.observed.schedules import scheduler_status, trouble
from fleet.supervisor.client import Program


def program(pid: int) -> Program:
    state = "running" if pid else "backoff"
    return Program("fleet", "scheduler", state, pid, 0.0, 1.0, 3, None, None)


@pytest.mark.parametrize("pid", [0, 7])
def test_a_scheduler_that_has_died_leads_no_more_whatever_its_file_says(pid: int) -> None:
    known = {"leads": True, "schedules": {}}
    said = scheduler_status(program(pid), known)
    assert said is not None
    assert said["leads"] == bool(pid)
    reasons = list(trouble((), program(pid), known, 0.0))
    assert reasons == ([] if pid else ["the scheduler is not running: nothing is sent by the clock"])
