"""The clock as Python brought it, whatever a task puts in its place.

A task that freezes time (freezegun, a patched `time.monotonic`) shares its process with the loop that settles it: acks
would wait for a moment that never comes.
"""

from __future__ import annotations

import time as _time


class time:  # noqa: N801  read as the module is
    """In place of the module. Attributes of a class, for freezegun replaces what it finds in modules."""

    time = _time.time
    monotonic = _time.monotonic
    thread_time = _time.thread_time
    gmtime = _time.gmtime
    strftime = _time.strftime
    clock_gettime = _time.clock_gettime
    CLOCK_BOOTTIME = getattr(_time, "CLOCK_BOOTTIME", _time.CLOCK_MONOTONIC)

    @staticmethod
    def sleep(seconds: float) -> None:
        """Looked up when it is called: in green pools it is the patched one."""
        _time.sleep(seconds)
