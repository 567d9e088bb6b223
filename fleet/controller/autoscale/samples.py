"""The samples of a group's load, taken about every second, and what they come to. Pure.

By Little's law the slots that a load keeps busy are arrivals per second times seconds per task. Here they are
measured: what was busy, and what the queue grew by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

# Tasks at least this long are seen in enough samples to be counted by looking; shorter ones are counted by
# the seconds that they took once they have ended.
_LONG_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Sample:
    """One group at one moment. `done` and `busy_seconds` only ever grow.

    `waiting` are messages ready in its queues, `held` those that were handed out and are not settled.
    """

    at: float
    waiting: int
    held: int
    in_flight: int
    done: int
    busy_seconds: float

    @property
    def outstanding(self) -> int:
        return self.waiting + max(self.held, self.in_flight)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Over a window of samples. `busy` are slots, 1.0 = one task running all the time."""

    seconds: float  # that the window covers; with 0 the rest is a guess from one sample
    busy: float
    arrivals_per_second: float
    growth_per_second: float  # of what is outstanding, 0 when it shrank
    waited: bool  # whether there was a backlog at any time

    def offered(self, task_seconds: float) -> float:
        """Slots that the arriving work alone needs."""
        return self.busy + self.growth_per_second * task_seconds


def estimate(samples: Sequence[Sample], task_seconds: float) -> Estimate:
    """`samples` are in order and at least one."""
    first, last = samples[0], samples[-1]
    seconds = last.at - first.at
    waited = any(sample.waiting for sample in samples)
    if seconds <= 0:
        return Estimate(0.0, float(last.in_flight), 0.0, 0.0, waited)
    growth = (last.outstanding - first.outstanding) / seconds
    done = (last.done - first.done) / seconds
    if task_seconds >= _LONG_SECONDS:
        busy = sum(sample.in_flight for sample in samples) / len(samples)
    else:
        busy = (last.busy_seconds - first.busy_seconds) / seconds
    return Estimate(seconds, busy, max(0.0, growth + done), max(0.0, growth), waited)


def mean_task_seconds(samples: Sequence[Sample]) -> float | None:
    """Of the tasks that ended meanwhile; None when none did."""
    done = samples[-1].done - samples[0].done
    return (samples[-1].busy_seconds - samples[0].busy_seconds) / done if done else None


def since(samples: Sequence[Sample], start: float) -> tuple[Sample, ...]:
    """The samples that cover the time from `start` on: also the last one before it, for what happened in between."""
    first = 0
    for index, sample in enumerate(samples):
        if sample.at <= start:
            first = index
    return tuple(samples[first:])
