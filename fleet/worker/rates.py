"""Celery's rate limits, of this worker: a bucket with one token per task. Pure; the clock is an argument.

What comes too early is not kept here: it goes back to the broker until its turn.
"""

from __future__ import annotations

_PER = {"s": 1.0, "m": 60.0, "h": 3600.0}
_SHORTEST_SECONDS = 0.05
_LONGEST_SECONDS = 3600.0


def seconds_between(rate: str | None) -> float:
    """Of "10/m", "5/s", "2.5": 6, 0.2, 0.4. 0 when there is no limit, or none that can be read."""
    if not rate:
        return 0.0
    number, _, unit = rate.partition("/")
    try:
        per_second = float(number) / _PER[unit or "s"]
    except (ValueError, KeyError):
        return 0.0
    return 1.0 / per_second if per_second > 0 else 0.0


class Rates:
    """By task name."""

    def __init__(self) -> None:
        self._free_at: dict[str, float] = {}  # when the next one may start
        self._promised_to: dict[str, float] = {}  # when the last one that was sent back may

    def wait(self, task: str, rate: str | None, now: float) -> float:
        """0: it may start now, and has taken the token. Else after how many seconds to come again."""
        between = seconds_between(rate)
        if not between:
            return 0.0
        free_at = self._free_at.get(task, 0.0)
        if now >= free_at:
            self._free_at[task] = now + between
            return 0.0
        # Each at a moment of its own: if all came when the next token is there, all but one would come for nothing.
        last = self._promised_to.get(task, 0.0)
        turn = free_at if last < free_at else last + between
        self._promised_to[task] = turn = min(turn, now + _LONGEST_SECONDS)
        return max(turn - now, _SHORTEST_SECONDS)

    def reset(self, task: str) -> None:
        """Start anew with a task whose limit has changed."""
        self._free_at.pop(task, None)
        self._promised_to.pop(task, None)
