"""The send-ahead window: how many deliveries a pool process of prefork may have at once. Pure.

Writing and reading one by one costs more than a short task does. So what is known to be short is sent ahead,
as much of it as is done within a few milliseconds; anything else waits for a process that has nothing to do.
"""

from __future__ import annotations

_AHEAD_SECONDS = 0.004  # of work in one process, when all goes as expected
_AHEAD_COUNT = 64
_AHEAD_BYTES = 64 * 1024  # of one body: where more is copied the way is not what takes time
_SHORT_SECONDS = 0.002
_OVERHEAD_SECONDS = 0.00005  # of the shortest task

_UNKNOWN_SECONDS = 0.02  # a task has to show that it is short, some twenty times
_MEMORY = 0.1  # how much its latest run weighs

# A process that has ended nothing for so long is busy with something long after all. What waits in it is taken
# back for one that is idle, and a while later anyway: another worker may have an idle one.
STUCK_SECONDS = 0.005
STUCK_ANYWAY_SECONDS = 0.05


class Paces:
    """What runs of each task have taken lately, on average."""

    def __init__(self) -> None:
        self._seconds: dict[str, float] = {}

    def ended(self, task: str, wall_seconds: float) -> None:
        """Note a task that has run: it is one of the app's, so there are only so many names."""
        before = self._seconds.get(task, _UNKNOWN_SECONDS)
        self._seconds[task] = before + (wall_seconds - before) * _MEMORY

    def expect(self, task: str) -> float:
        """Seconds that its next run may take."""
        return max(self._seconds.get(task, _UNKNOWN_SECONDS), _OVERHEAD_SECONDS)


def fits(count: int, booked_seconds: float, expected_seconds: float, size: int) -> bool:
    """Whether a delivery may be sent to a process that has `count` which should take `booked_seconds`."""
    return (
        expected_seconds <= _SHORT_SECONDS
        and booked_seconds + expected_seconds <= _AHEAD_SECONDS
        and count < _AHEAD_COUNT
        and size <= _AHEAD_BYTES
    )


def is_stuck(since_seconds: float, *, another_is_idle: bool) -> bool:
    """Whether to take back what waits behind a task that has run for so long."""
    return since_seconds >= (STUCK_SECONDS if another_is_idle else STUCK_ANYWAY_SECONDS)
