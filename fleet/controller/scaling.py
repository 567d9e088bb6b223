"""The autoscaler: how many replicas a group should have now, and which of its slots. Pure.

The need: slots for the work that arrives (Little's law), and as many more as it takes to clear the queue
within `target_latency`. Up to it at once. Down when fewer would have been enough, with room to spare, for
all of the last `hold` seconds: one replica at a time, an idle one first. Between the two thresholds nothing
changes, so that a constant load is met by a constant number.

`fleet simulate` runs this very function.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from fleet.controller.desired import Autoscale
from fleet.controller.scaling_load import Sample, mean_task_seconds, since
from fleet.controller.scaling_need import Course, Limits, Load, Reckoning, capacity, hold_seconds, reckon
from fleet.controller.scaling_slots import filled, in_flight_of, most_idle, without_most_idle

# The next step down may follow after this part of the hold.
_HOLDS_PER_STEP = 0.25

# A busy replica may go when its work ends well within its grace period.
_GRACE_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Decision:
    """`course` holds the slots to fill from now on. `why` is a clause for people."""

    course: Course
    before: int
    why: str
    reckoning: Reckoning | None = field(default=None)

    @property
    def replicas(self) -> int:
        return len(self.course.slots)


def begin(policy: Autoscale, present: Sequence[int], now: float) -> Course:
    """For a group first seen now: from `min` on, or from the workers that are there."""
    slots = sorted(set(present))[: policy.max]
    return Course(filled(slots, max(policy.min, len(slots))), raised_at=now, changed_at=now)


def decide(policy: Autoscale, limits: Limits, load: Load, course: Course, now: float) -> Decision:
    """To be asked about every second, with the course of the decision before."""
    if policy.min <= len(course.slots) <= policy.max:
        return _decide(policy, limits, load, course, now)
    # The file has changed: its bounds hold at once.
    count = min(max(len(course.slots), policy.min), policy.max)
    slots = (
        filled(course.slots, count)
        if count > len(course.slots)
        else without_most_idle(load.seats, course.slots, count)
    )
    why = f"the file says {policy.min} to {policy.max}"
    return _changed(replace(course, slots=slots), course, why, None, now)


def _decide(policy: Autoscale, limits: Limits, load: Load, course: Course, now: float) -> Decision:
    if load.paused:
        return _same(course, "its queues are paused")
    if load.waiting is None:
        return _same(course, "the broker has not said how much waits")
    course = _observe(policy, limits, load, course, now)
    reckoning = reckon(policy, limits, load, course)
    course = replace(course, needs=(*course.needs, (now, reckoning.needed)))
    current = len(course.slots)
    wanted, bound = _bounded(policy, limits, reckoning.need, current)
    if wanted > current:
        slots = filled(course.slots, wanted)
        return _changed(replace(course, slots=slots), course, _needs(reckoning, bound), reckoning, now)
    fewer = max(reckoning.keep, policy.min)
    if fewer >= current:
        return _same(course, _enough(reckoning, policy, bound), reckoning)
    return _go_down(policy, limits, load, course, reckoning)


def _go_down(policy: Autoscale, limits: Limits, load: Load, course: Course, reckoning: Reckoning) -> Decision:
    """Fewer would be enough as of the latest sample: for long enough, and is there one that can go?"""
    hold, now = hold_seconds(policy, reckoning.task_seconds), course.samples[-1].at
    raised = hold - (now - max(course.raised_at, course.samples[0].at))
    left = max(raised, hold * _HOLDS_PER_STEP - (now - course.changed_at))
    enough = f"{reckoning.keep} would be enough"
    # A little early is in time: decisions come about every second.
    if left > 0.5:
        return _same(course, f"{enough}, and has to be for {left:.0f} s more", reckoning)
    slot = _dispensable(limits, load, course, reckoning)
    if slot is None:
        return _same(course, f"{enough}, but no replica is idle yet", reckoning)
    slots = tuple(each for each in course.slots if each != slot)
    why = f"{reckoning.keep} {'is' if reckoning.keep == 1 else 'are'} enough for {hold:.0f} s"
    return _changed(replace(course, slots=slots), course, why, reckoning, now)


def _observe(policy: Autoscale, limits: Limits, load: Load, course: Course, now: float) -> Course:
    """Take the load into the samples, and see whether it stalls."""
    assert load.waiting is not None
    held = load.in_flight if load.held is None else load.held
    sample = Sample(now, load.waiting, held, load.in_flight, load.done, load.busy_seconds)
    start = now - hold_seconds(policy, course.task_seconds)
    samples = since((*course.samples, sample), start)
    needs = tuple(each for each in course.needs if each[0] >= start)
    slots = capacity(limits, load)
    full = 0 < slots <= load.in_flight
    unmoved = bool(course.samples) and course.samples[-1].done == load.done
    stalled = (
        (course.stalled_since if unmoved and course.stalled_since is not None else now) if full else None
    )
    seconds = mean_task_seconds(samples)
    known = course.task_seconds if seconds is None else seconds
    return replace(course, samples=samples, needs=needs, task_seconds=known, stalled_since=stalled)


def _bounded(policy: Autoscale, limits: Limits, need: int, current: int) -> tuple[int, str]:
    """`need` within what the file and the machine allow, and what kept it from being more."""
    wanted, bound = min(max(need, policy.min), policy.max), ""
    if need > policy.max:
        bound = f"max is {policy.max}"
    # The machine only limits growth: who runs already stays.
    most = None if limits.most is None else max(limits.most, policy.min, current)
    if most is not None and wanted > most:
        wanted, bound = most, limits.most_because
    return wanted, bound


def _dispensable(limits: Limits, load: Load, course: Course, reckoning: Reckoning) -> int | None:
    """The slot to give up: one without work, or one whose work ends in good time; None: wait for one."""
    slot = most_idle(load.seats, course.slots)
    if (
        not in_flight_of(load.seats, slot)
        or (reckoning.task_seconds or 0.0) <= limits.grace_seconds * _GRACE_SHARE
    ):
        return slot
    return None


def _same(course: Course, why: str, reckoning: Reckoning | None = None) -> Decision:
    return Decision(course, len(course.slots), why, reckoning)


def _changed(after: Course, before: Course, why: str, reckoning: Reckoning | None, now: float) -> Decision:
    raised_at = now if len(after.slots) > len(before.slots) else before.raised_at
    after = replace(after, raised_at=raised_at, changed_at=now)
    return Decision(after, len(before.slots), why, reckoning)


def _needs(reckoning: Reckoning, bound: str) -> str:
    need = f"{reckoning.need} needed"
    return f"{need}, but {bound}" if bound else need


def _enough(reckoning: Reckoning, policy: Autoscale, bound: str) -> str:
    if bound:
        return _needs(reckoning, bound)
    if reckoning.keep < policy.min:
        return f"min is {policy.min}"
    return "as many as are needed"
