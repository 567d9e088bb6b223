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

from fleet.controller.autoscale.need import (
    Limits,
    NeedEstimate,
    ObservedLoad,
    ScalerState,
    capacity,
    estimate_need,
    hold_seconds,
)
from fleet.controller.autoscale.samples import Sample, mean_task_seconds, since
from fleet.controller.autoscale.slots import filled, in_flight_of, most_idle, without_most_idle
from fleet.fleet_state import Autoscale

# The next step down may follow after this part of the hold.
_HOLDS_PER_STEP = 0.25

# A busy replica may go when its work ends well within its grace period.
_GRACE_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Decision:
    """`scaler` holds the slots to fill from now on. `why` is a clause for people."""

    scaler: ScalerState
    before: int
    why: str
    estimate: NeedEstimate | None = field(default=None)

    @property
    def replicas(self) -> int:
        return len(self.scaler.slots)


def begin(policy: Autoscale, present: Sequence[int], now: float) -> ScalerState:
    """For a group first seen now: from `min` on, or from the workers that are there."""
    slots = sorted(set(present))[: policy.max]
    return ScalerState(filled(slots, max(policy.min, len(slots))), raised_at=now, changed_at=now)


def decide(
    policy: Autoscale, limits: Limits, load: ObservedLoad, scaler: ScalerState, now: float
) -> Decision:
    """To be asked about every second, with what the decision before has left."""
    if policy.min <= len(scaler.slots) <= policy.max:
        return _decide(policy, limits, load, scaler, now)
    # The file has changed: its bounds hold at once.
    count = min(max(len(scaler.slots), policy.min), policy.max)
    slots = (
        filled(scaler.slots, count)
        if count > len(scaler.slots)
        else without_most_idle(load.slots, scaler.slots, count)
    )
    why = f"the file says {policy.min} to {policy.max}"
    return _changed(replace(scaler, slots=slots), scaler, why, None, now)


def _decide(
    policy: Autoscale, limits: Limits, load: ObservedLoad, scaler: ScalerState, now: float
) -> Decision:
    if load.paused:
        return _same(scaler, "its queues are paused")
    if load.waiting is None:
        return _same(scaler, "the broker has not said how much waits")
    scaler = _observe(policy, limits, load, scaler, now)
    estimate = estimate_need(policy, limits, load, scaler)
    scaler = replace(scaler, needs=(*scaler.needs, (now, estimate.needed)))
    current = len(scaler.slots)
    wanted, bound = _bounded(policy, limits, estimate.need, current)
    if wanted > current:
        slots = filled(scaler.slots, wanted)
        return _changed(replace(scaler, slots=slots), scaler, _needs(estimate, bound), estimate, now)
    fewer = max(estimate.keep, policy.min)
    if fewer >= current:
        return _same(scaler, _enough(estimate, policy, bound), estimate)
    return _go_down(policy, limits, load, scaler, estimate)


def _go_down(
    policy: Autoscale, limits: Limits, load: ObservedLoad, scaler: ScalerState, estimate: NeedEstimate
) -> Decision:
    """Fewer would be enough as of the latest sample: for long enough, and is there one that can go?"""
    hold, now = hold_seconds(policy, estimate.task_seconds), scaler.samples[-1].at
    raised = hold - (now - max(scaler.raised_at, scaler.samples[0].at))
    left = max(raised, hold * _HOLDS_PER_STEP - (now - scaler.changed_at))
    enough = f"{estimate.keep} would be enough"
    # A little early is in time: decisions come about every second.
    if left > 0.5:
        return _same(scaler, f"{enough}, and has to be for {left:.0f} s more", estimate)
    slot = _dispensable(limits, load, scaler, estimate)
    if slot is None:
        return _same(scaler, f"{enough}, but no replica is idle yet", estimate)
    slots = tuple(each for each in scaler.slots if each != slot)
    why = f"{estimate.keep} {'is' if estimate.keep == 1 else 'are'} enough for {hold:.0f} s"
    return _changed(replace(scaler, slots=slots), scaler, why, estimate, now)


def _observe(
    policy: Autoscale, limits: Limits, load: ObservedLoad, scaler: ScalerState, now: float
) -> ScalerState:
    """Take the load into the samples, and see whether it stalls."""
    assert load.waiting is not None
    held = load.in_flight if load.held is None else load.held
    sample = Sample(now, load.waiting, held, load.in_flight, load.done, load.busy_seconds)
    start = now - hold_seconds(policy, scaler.task_seconds)
    samples = since((*scaler.samples, sample), start)
    needs = tuple(each for each in scaler.needs if each[0] >= start)
    slots = capacity(limits, load)
    full = 0 < slots <= load.in_flight
    unmoved = bool(scaler.samples) and scaler.samples[-1].done == load.done
    stalled = (
        (scaler.stalled_since if unmoved and scaler.stalled_since is not None else now) if full else None
    )
    seconds = mean_task_seconds(samples)
    known = scaler.task_seconds if seconds is None else seconds
    return replace(scaler, samples=samples, needs=needs, task_seconds=known, stalled_since=stalled)


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


def _dispensable(
    limits: Limits, load: ObservedLoad, scaler: ScalerState, estimate: NeedEstimate
) -> int | None:
    """The slot to give up: one without work, or one whose work ends in good time; None: wait for one."""
    slot = most_idle(load.slots, scaler.slots)
    if (
        not in_flight_of(load.slots, slot)
        or (estimate.task_seconds or 0.0) <= limits.grace_seconds * _GRACE_SHARE
    ):
        return slot
    return None


def _same(scaler: ScalerState, why: str, estimate: NeedEstimate | None = None) -> Decision:
    return Decision(scaler, len(scaler.slots), why, estimate)


def _changed(
    after: ScalerState, before: ScalerState, why: str, estimate: NeedEstimate | None, now: float
) -> Decision:
    raised_at = now if len(after.slots) > len(before.slots) else before.raised_at
    after = replace(after, raised_at=raised_at, changed_at=now)
    return Decision(after, len(before.slots), why, estimate)


def _needs(estimate: NeedEstimate, bound: str) -> str:
    need = f"{estimate.need} needed"
    return f"{need}, but {bound}" if bound else need


def _enough(estimate: NeedEstimate, policy: Autoscale, bound: str) -> str:
    if bound:
        return _needs(estimate, bound)
    if estimate.keep < policy.min:
        return f"min is {policy.min}"
    return "as many as are needed"
