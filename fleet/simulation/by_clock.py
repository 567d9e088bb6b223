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

    `work` tells the queue of a schedule, and how long its task takes. With `overlap = "skip"` no run is sent while the
    one before would run if it had not waited; how long it waits is not known here.
    """
    found: list[Arrival] = []
    for schedule in schedules:
        if not schedule.enabled:
            continue
        queue, takes = work(schedule)
        free_at = float("-inf")
        for moment in _until(fleet, schedule, start, start + round(seconds * 1000)):
            at = (moment - start) / 1000
            if at < free_at:
                continue
            found.append((at, queue, takes))
            if schedule.overlap == "skip":
                free_at = at + takes
    return sorted(found)


def _until(fleet: str, schedule: ScheduleSpec, start: int, end: int) -> Iterator[int]:
    for moment in next_runs(fleet, schedule, start):
        if moment >= end:
            return
        yield moment
