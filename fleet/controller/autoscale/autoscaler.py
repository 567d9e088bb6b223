"""The autoscaler at work: asks the broker, keeps each group's state, and tells what it decided and why.

What it decides is fleet.controller.autoscale.decision's. It keeps nothing on disk: a controller that comes back goes on
from the workers that are there.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fleet.broker.open import queue_stats
from fleet.broker.stats import QueueStats
from fleet.controller.autoscale.counters import Counters
from fleet.controller.autoscale.decision import Decision, begin, decide
from fleet.controller.autoscale.need import Limits, ObservedLoad, ScalerState
from fleet.controller.autoscale.room import Footprint, Room, most_replicas
from fleet.controller.autoscale.slots import SlotLoad
from fleet.controller.autoscale.why import in_numbers, said
from fleet.controller.log.events import EventLog, iso
from fleet.controller.observed.observe import Observation, State
from fleet.controller.observed.queue_stats import in_own_thread
from fleet.fleet_state import FleetState, Group
from fleet.machine import this_machine
from fleet.spec import RoutingSpec

EVERY_SECONDS = 1.0
"""How often the broker is asked; a group without workers sees its first message after half of it on average."""

_STALE_SECONDS = 5.0
_KEPT_DECISIONS = 20


class Autoscaler:
    """`slots` says, by group, which slots shall be filled. Belongs to the event loop."""

    def __init__(
        self,
        log: EventLog,
        ask: Callable[[RoutingSpec], list[QueueStats]] = queue_stats,
    ) -> None:
        self.scaled: Callable[[str, int, int], None] = lambda _group, _before, _after: None
        self._log = log
        self._ask = ask
        self._scalers: dict[str, ScalerState] = {}
        self._latest: dict[str, Decision] = {}
        self._history: dict[str, deque[dict[str, Any]]] = {}
        self._counters = Counters()
        self._queues: dict[str, QueueStats] = {}
        self._heard_at = float("-inf")
        self._decided_at = float("-inf")

    @property
    def slots(self) -> Mapping[str, tuple[int, ...]]:
        return {name: scaler.slots for name, scaler in self._scalers.items()}

    async def listen(self, declared: Callable[[], FleetState | None], wake: Callable[[], None]) -> None:
        """For ever: keep the numbers of the queues of autoscaled groups fresh, and `wake` for each of them."""
        while True:
            began = time.monotonic()
            fleet = declared()
            if fleet is not None and (wanted := scaled_queues(fleet)).queues:
                await self._hear(wanted)
                wake()
            await asyncio.sleep(max(0.05, began + EVERY_SECONDS - time.monotonic()))

    async def _hear(self, routing: RoutingSpec) -> None:
        try:
            numbers = await in_own_thread(lambda: self._ask(routing))
        except Exception:
            # Whatever a broker's client may raise: `fleet status` shows it, and nothing is scaled meanwhile.
            self._queues = {}
            return
        self._queues, self._heard_at = {each.name: each for each in numbers}, time.monotonic()

    def consider(self, declared: FleetState, effective: FleetState, observation: Observation) -> None:
        """Decide for each group, about every second. `effective` is as it was up to now."""
        groups = [group for group in declared.groups if group.autoscale is not None and group.here]
        self._forget_all_but({group.name for group in groups})
        for group in groups:
            if group.name not in self._scalers:
                assert group.autoscale is not None
                present = [w.replica for w in observation.workers if w.group == group.name and not w.leaving]
                self._scalers[group.name] = begin(group.autoscale, present, observation.now)
        if observation.now - self._decided_at < EVERY_SECONDS / 2 or observation.snapshot.stopping:
            return
        self._decided_at = observation.now
        self._counters.read(observation)
        for group in groups:
            self._decide(group, effective, observation)

    def _decide(self, group: Group, effective: FleetState, observation: Observation) -> None:
        assert group.autoscale is not None
        running = effective.group(group.name)
        scaler = self._scalers[group.name]
        limits = _limits(group, effective, observation, _room())
        decision = decide(
            group.autoscale, limits, self._load(running or group, observation), scaler, observation.now
        )
        self._scalers[group.name], self._latest[group.name] = decision.scaler, decision
        if decision.replicas != decision.before:
            self._log.info(said(group.name, decision))
            self.scaled(group.name, decision.before, decision.replicas)
            entry = {
                "at": iso(time.time()),
                "from": decision.before,
                "to": decision.replicas,
                "why": decision.why,
            }
            numbers = decision.estimate
            entry["numbers"] = in_numbers(numbers) if numbers is not None else None
            self._history.setdefault(group.name, deque(maxlen=_KEPT_DECISIONS)).append(entry)

    def _load(self, group: Group, observation: Observation) -> ObservedLoad:
        names = [queue.name for queue in group.spec.queues]
        fresh = observation.now - self._heard_at <= _STALE_SECONDS
        known = [self._queues[name] for name in names if name in self._queues] if fresh else []
        mine = [w for w in observation.workers if w.group == group.name and not w.leaving]
        done, busy_seconds = self._counters.of(group.name)
        return ObservedLoad(
            waiting=_sum(each.ready for each in known) if len(known) == len(names) else None,
            held=_sum(each.unacked for each in known),
            done=done,
            busy_seconds=busy_seconds,
            slots=tuple(
                SlotLoad(
                    w.replica,
                    report.in_flight if (report := observation.report(w)) else 0,
                    w.state is State.READY,
                )
                for w in mine
            ),
            oldest_seconds=max((each.oldest_seconds or 0.0 for each in known), default=None) or None,
            paused=set(names) <= set(group.paused),
        )

    def _forget_all_but(self, groups: set[str]) -> None:
        for name in set(self._scalers) - groups:
            del self._scalers[name]
            self._latest.pop(name, None)
            self._history.pop(name, None)

    def shown(self, group: Group) -> dict[str, Any] | None:
        """For `status`; None for a group that does not scale."""
        policy, scaler = group.autoscale, self._scalers.get(group.name)
        if policy is None or scaler is None:
            return None
        latest = self._latest.get(group.name)
        numbers = latest.estimate if latest is not None else None
        return {
            "min": policy.min,
            "max": policy.max,
            "target_latency_seconds": policy.target_latency_seconds,
            "replicas": len(scaler.slots),
            "why": latest.why if latest is not None else "it has just started",
            "numbers": in_numbers(numbers) if numbers is not None else None,
            "need": numbers.need if numbers is not None else None,
            "arrivals_per_second": numbers.arrivals_per_second if numbers is not None else None,
            "task_seconds": numbers.task_seconds if numbers is not None else scaler.task_seconds,
            "changes": list(self._history.get(group.name, ())),
        }


def _room() -> Room:
    """Asked each time: a quota may change while the fleet runs."""
    machine = this_machine()
    return Room(machine.cpus.value, machine.memory.value)


def _sum(numbers: Any) -> int | None:
    """None as soon as one of them is not known."""
    found = list(numbers)
    return None if None in found else sum(found)


def scaled_queues(fleet: FleetState) -> RoutingSpec:
    """What to ask for: the queues of groups that scale."""
    names = {queue.name for group in fleet.groups if group.autoscale for queue in group.spec.queues}
    queues = tuple(queue for queue in fleet.routing.queues if queue.name in names)
    return replace(fleet.routing, queues=queues)


def _limits(group: Group, effective: FleetState, observation: Observation, room: Room) -> Limits:
    footprints = [_footprint(each, observation) for each in effective.groups]
    most, because = most_replicas(group.name, footprints, room)
    return Limits(group.spec.slots, group.spec.grace_period_seconds, most, because)


def _footprint(group: Group, observation: Observation) -> Footprint:
    """Memory as its workers report it; one that has none running is not known."""
    sizes = _sizes(group.name, observation)
    mean = sum(sizes) // len(sizes) if sizes else 0
    return Footprint(group.name, group.spec.pool, group.spec.slots, group.replicas, mean)


def _sizes(group: str, observation: Observation) -> Sequence[int]:
    reports = (observation.report(worker) for worker in observation.workers if worker.group == group)
    return [report.rss_bytes for report in reports if report is not None and report.rss_bytes]
