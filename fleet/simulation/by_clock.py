"""Scheduled messages as arrivals: the same moments and the same jitter as the scheduler's. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from fleet.launch_specs import ScheduleSpec
from fleet.schedules.due import next_runs

Arrival = tuple[float, str, float]
"""When, in which queue, and how long its task takes."""


def arrivals(
    fleet: str,
    schedules: Sequence[ScheduleSpec],
    *,
    start: int,
    seconds: float,
    work: Callable[[ScheduleSpec], tuple[str, float]],
) -> list[Arrival]:
    """In order, of so many seconds from `start` (milliseconds since 1970); those that are disabled send nothing.

    `work` tells the queue of a schedule, and how long its task takes.
    """
    found = [
        ((moment - start) / 1000, *work(schedule))
        for schedule in schedules
        if schedule.enabled
        for moment in _until(fleet, schedule, start, start + round(seconds * 1000))
    ]
    return sorted(found)


def _until(fleet: str, schedule: ScheduleSpec, start: int, end: int) -> Iterator[int]:
    for moment in next_runs(fleet, schedule, start):
        if moment >= end:
            return
        yield moment
