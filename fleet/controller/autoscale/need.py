"""The need of a load in replicas: to scale up to, and to scale down to. Pure; decision.py decides by it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from fleet.controller.autoscale.samples import Sample, estimate, since
from fleet.controller.autoscale.slots import SlotLoad
from fleet.fleet_state import Autoscale

FULL = 0.9
"""Above this share of its slots a group that has a backlog gets more."""

ROOMY = 0.7
"""Below this share of one replica fewer that one may go."""

_SOON_SHARE = 0.05
"""Who waits for less than this share of the target is no reason for another replica."""

_SHORTEST_HOLD_SECONDS = 5.0
_LONGEST_HOLD_SECONDS = 300.0
_SHORTEST_WINDOW_SECONDS = 2.0
_LONGEST_WINDOW_SECONDS = 30.0

# A load that rises shows in the queue long before it does in an average.
_SUDDEN_SECONDS = 3.0


def hold_seconds(policy: Autoscale, task_seconds: float | None) -> float:
    """How long a smaller need must last before a step down. The next step may follow after a part of it."""
    longest = 2 * max(policy.target_latency_seconds, task_seconds or 0.0)
    return min(max(longest, _SHORTEST_HOLD_SECONDS), _LONGEST_HOLD_SECONDS)


def window_seconds(policy: Autoscale) -> float:
    """How far back one looks for steps up."""
    return min(max(policy.target_latency_seconds / 2, _SHORTEST_WINDOW_SECONDS), _LONGEST_WINDOW_SECONDS)


@dataclass(frozen=True, slots=True)
class ObservedLoad:
    """What was observed of a group. `done` and `busy_seconds` only ever grow.

    `waiting` None: the broker can't be asked. `held` None: the broker doesn't tell.
    """

    waiting: int | None
    held: int | None
    done: int
    busy_seconds: float
    slots: tuple[SlotLoad, ...] = ()
    oldest_seconds: float | None = None
    paused: bool = False

    @property
    def in_flight(self) -> int:
        return sum(each.in_flight for each in self.slots)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the group is, and what the machine leaves it. `most` None: no limit but the file's."""

    slots_per_replica: int
    grace_seconds: float = 30.0
    most: int | None = None
    most_because: str = ""


@dataclass(frozen=True, slots=True)
class NeedEstimate:
    """The numbers behind a decision, in slots unless named otherwise."""

    waiting: int
    oldest_seconds: float | None
    in_flight: int
    arrivals_per_second: float
    task_seconds: float | None
    slots_per_replica: int
    needed: float  # to scale up to
    kept: float  # to scale down to
    need: int  # the same in replicas, before the bounds
    keep: int


@dataclass(frozen=True, slots=True)
class ScalerState:
    """What is remembered of one group from one decision to the next. `slots` are sorted."""

    slots: tuple[int, ...]
    raised_at: float = -math.inf
    changed_at: float = -math.inf
    samples: tuple[Sample, ...] = ()
    needs: tuple[tuple[float, float], ...] = ()  # when, and how many slots were needed
    task_seconds: float | None = None
    stalled_since: float | None = None


def estimate_need(policy: Autoscale, limits: Limits, load: ObservedLoad, scaler: ScalerState) -> NeedEstimate:
    """The need of a group whose latest sample is of `load`."""
    last = scaler.samples[-1]
    stalled = last.at - scaler.stalled_since if scaler.stalled_since is not None else 0.0
    # Tasks that all have been running for so long take at least that long.
    seconds = max(scaler.task_seconds or 0.0, stalled)
    lately = estimate(since(scaler.samples, last.at - window_seconds(policy)), seconds)
    suddenly = estimate(since(scaler.samples, last.at - _SUDDEN_SECONDS), seconds)
    offered = max(lately.offered(seconds), suddenly.offered(seconds))
    target = max(policy.target_latency_seconds, 1e-3)
    # Each waiting message needs a slot at most, and for its task's share of the target at least.
    clearing = last.waiting * min(1.0, seconds / target)
    soon = _SOON_SHARE * target * capacity(limits, load) / seconds if seconds else 0.0
    # More than there are messages would have nothing to do.
    needed = min(offered / FULL + clearing, last.in_flight + max(0.0, last.waiting - soon))
    steady = estimate(scaler.samples, seconds).offered(seconds) / ROOMY
    of_late = max((slots for _, slots in scaler.needs), default=0.0)
    kept = max(needed, of_late, last.in_flight, steady + clearing)
    least = 1 if last.outstanding else 0
    need = max(_replicas(max(needed, last.in_flight), limits), least)
    return NeedEstimate(
        waiting=last.waiting,
        oldest_seconds=load.oldest_seconds,
        in_flight=last.in_flight,
        arrivals_per_second=lately.arrivals_per_second,
        task_seconds=seconds or None,
        slots_per_replica=limits.slots_per_replica,
        needed=needed,
        kept=kept,
        need=need,
        keep=max(_replicas(kept, limits), need),
    )


def capacity(limits: Limits, load: ObservedLoad) -> int:
    """Slots that are there now."""
    return limits.slots_per_replica * sum(each.ready for each in load.slots)


def _replicas(slots: float, limits: Limits) -> int:
    return math.ceil(slots / max(limits.slots_per_replica, 1) - 1e-9)
