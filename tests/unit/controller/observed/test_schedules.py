"""The scheduler in the status: what its file says, as long as somebody lives who wrote it."""

from __future__ import annotations

import pytest

from fleet.controller.observed.schedules import scheduler_status, schedules_status, trouble, with_next
from fleet.launch_specs import ScheduleSpec
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


def test_a_run_that_can_not_be_sent_is_told_with_its_reason() -> None:
    known = {"leads": True, "schedules": {"x": {"next": 1_000, "error": "can't be sent: no rule takes it"}}}
    assert list(trouble((), program(7), known, 100.0)) == [
        "schedule x is 99 s late: can't be sent: no rule takes it"
    ]


@pytest.mark.parametrize(
    ("schedule", "hours"),
    [
        (ScheduleSpec("s", "t", every_seconds=0.1), list(range(24))),
        (ScheduleSpec("s", "t", cron="*/30 * * * *"), list(range(24))),
        (ScheduleSpec("s", "t", cron="0 3,15 * * *"), [2, 14]),
        (ScheduleSpec("s", "t", cron="0 3 * * mon"), []),
        (ScheduleSpec("s", "t", every_seconds=1.0, enabled=False), []),
    ],
)
def test_the_hours_of_the_next_day_are_those_in_which_it_runs_and_not_those_of_five_runs(
    schedule: ScheduleSpec, hours: list[int]
) -> None:
    friday = 1_800_000_000.0 - 1_800_000_000.0 % 86_400 + 1_800
    [status] = schedules_status([schedule], {})
    assert with_next("fleet", schedule, status, friday)["next_hours"] == hours
    until = {"by": "ann", "since": None, "until": "2027-01-15T12:30:00.000Z", "reason": None}
    paused = with_next("fleet", schedule, {**status, "paused": until}, friday)
    assert paused["next_hours"] == [hour for hour in hours if hour >= 12]
