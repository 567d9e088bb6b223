"""The heartbeat timeout: when a worker whose reports have stopped counts as silent, and so is replaced.

One that may be at work all the same is looked at more closely by unresponsive.py.
"""

from __future__ import annotations

# Reports come every three seconds at least (fleet.control); a worker under load may be late by some.
SILENT_AFTER_SECONDS = 10.0


def last_heard(reported: float | None, started: float, listening_since: float) -> float:
    """A start counts as a report. Nobody can be blamed for what was said before this controller listened."""
    return max(started if reported is None else reported, listening_since)


def is_timed_out(heard: float, now: float) -> bool:
    return now - heard > SILENT_AFTER_SECONDS
