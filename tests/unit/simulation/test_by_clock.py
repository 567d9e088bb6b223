"""Schedules as a load."""

from __future__ import annotations

from datetime import UTC, datetime

from fleet.launch_specs import ScheduleSpec
from fleet.simulation.by_clock import arrivals

START = int(datetime(2026, 11, 29, tzinfo=UTC).timestamp() * 1000)


def test_a_day_of_schedules_as_arrivals() -> None:
    schedules = [
        ScheduleSpec("hourly", "shop.a", cron="30 * * * *"),
        ScheduleSpec("spread", "shop.b", every_seconds=3600, jitter_seconds=600),
        ScheduleSpec("off", "shop.c", every_seconds=1, enabled=False),
    ]
    found = arrivals(
        "shop",
        schedules,
        start=START,
        seconds=86_400,
        work=lambda schedule: (schedule.task[-1], 2.0 if schedule.name == "hourly" else 5.0),
    )
    assert found == sorted(found)
    assert [each for each in found if each[1] == "a"] == [(1800.0 + 3600 * n, "a", 2.0) for n in range(24)]
    spread = [at for at, queue, _ in found if queue == "b"]
    assert 23 <= len(spread) <= 25
    assert all(at % 3600 < 600 for at in spread)
    assert len({at % 3600 for at in spread}) > 10, "by another amount each time"
    assert not [each for each in found if each[1] == "c"]


def test_what_is_to_be_skipped_while_the_run_before_goes_on_is_not_sent() -> None:
    found = arrivals(
        "shop",
        [ScheduleSpec("slow", "shop.a", every_seconds=3, overlap="skip")],
        start=START,
        seconds=30,
        work=lambda _schedule: ("a", 7.0),
    )
    assert [at for at, _, _ in found] == [3.0, 12.0, 21.0]
