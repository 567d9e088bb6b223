"""The stop of a process: asked, urged and at last made to end; timed signals, decided in advance."""

from __future__ import annotations

import signal
from dataclasses import dataclass

URGED_SECONDS = 1.0
"""What a worker gets between the SIGTERM that means "at once" and SIGKILL, to give its messages back."""

APART_SECONDS = 0.6
"""Between two SIGTERMs to one process: closer together a worker takes them for one request that came twice.
"""


@dataclass(frozen=True, slots=True)
class Step:
    """Send `signum` at `at` (monotonic seconds)."""

    at: float
    signum: int


def gently(now: float, stop_seconds: float) -> tuple[Step, ...]:
    """Drain, for as long as the program may take."""
    return Step(now, signal.SIGTERM), Step(now + stop_seconds, signal.SIGKILL)


def urgently(now: float, asked_at: float | None) -> tuple[Step, ...]:
    """To a worker the second SIGTERM means: leave what is unfinished to the broker and go. `asked_at` is
    when it got its first one, None if never.
    """
    if asked_at is None:
        return (Step(now, signal.SIGTERM), *urgently(now, now))
    second = max(now, asked_at + APART_SECONDS)
    return Step(second, signal.SIGTERM), Step(second + URGED_SECONDS, signal.SIGKILL)


def at_once(now: float) -> tuple[Step, ...]:
    return (Step(now, signal.SIGKILL),)
