"""The autoscaler at work: asks the broker, keeps each group's course, and tells what it decided and why.

What it decides is fleet.controller.scaling's. It keeps nothing on disk: a controller that comes back goes on
from the workers that are there.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from fleet.broker.stats import QueueStats, queue_stats
from fleet.controller.desired import Accepted, Group
from fleet.controller.events import EventLog, iso
from fleet.controller.observe import Scene, State
from fleet.controller.odometer import Odometer
from fleet.controller.queues import in_own_thread
from fleet.controller.scaling import Decision, begin, decide
from fleet.controller.scaling_limits import Footprint, Room, most_replicas
from fleet.controller.scaling_need import Course, Limits, Load
from fleet.controller.scaling_slots import Seat
from fleet.controller.scaling_words import reckoned, said
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
        self._log = log
        self._ask = ask
        self._courses: dict[str, Course] = {}
        self._latest: dict[str, Decision] = {}
        self._history: dict[str, deque[dict[str, Any]]] = {}
        self._odometer = Odometer()
        self._queues: dict[str, QueueStats] = {}
        self._heard_at = float("-inf")
        self._decided_at = float("-inf")

    @property
    def slots(self) -> Mapping[str, tuple[int, ...]]:
        return {name: course.slots for name, course in self._courses.items()}

    async def listen(self, declared: Callable[[], Accepted | None], wake: Callable[[], None]) -> None:
        """For ever: keep the numbers of the queues of autoscaled groups fresh, and `wake` for each of them."""
        while True:
            began = time.monotonic()
            fleet = declared()
            if fleet is not None and (wanted := _routing(fleet)).queues:
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

    def consider(self, declared: Accepted, in_force: Accepted, scene: Scene) -> None:
        """Decide for each group, about every second. `in_force` is as it was up to now."""
        groups = [group for group in declared.groups if group.autoscale is not None]
        self._forget_all_but({group.name for group in groups})
        for group in groups:
            if group.name not in self._courses:
                assert group.autoscale is not None
                present = [w.replica for w in scene.workers if w.group == group.name and not w.leaving]
                self._courses[group.name] = begin(group.autoscale, present, scene.now)
        if scene.now - self._decided_at < EVERY_SECONDS / 2 or scene.snapshot.stopping:
            return
        self._decided_at = scene.now
        self._odometer.read(scene)
        for group in groups:
            self._decide(group, in_force, scene)

    def _decide(self, group: Group, in_force: Accepted, scene: Scene) -> None:
        assert group.autoscale is not None
        running = in_force.group(group.name)
        course = self._courses[group.name]
        limits = _limits(group, in_force, scene, _room())
        decision = decide(group.autoscale, limits, self._load(running or group, scene), course, scene.now)
        self._courses[group.name], self._latest[group.name] = decision.course, decision
        if decision.replicas != decision.before:
            self._log.info(said(group.name, decision))
            entry = {
                "at": iso(time.time()),
                "from": decision.before,
                "to": decision.replicas,
                "why": decision.why,
            }
            numbers = decision.reckoning
            entry["numbers"] = reckoned(numbers) if numbers is not None else None
            self._history.setdefault(group.name, deque(maxlen=_KEPT_DECISIONS)).append(entry)

    def _load(self, group: Group, scene: Scene) -> Load:
        names = [queue.name for queue in group.spec.queues]
        fresh = scene.now - self._heard_at <= _STALE_SECONDS
        known = [self._queues[name] for name in names if name in self._queues] if fresh else []
        mine = [w for w in scene.workers if w.group == group.name and not w.leaving]
        done, busy_seconds = self._odometer.of(group.name)
        return Load(
            waiting=_sum(each.ready for each in known) if len(known) == len(names) else None,
            held=_sum(each.unacked for each in known),
            done=done,
            busy_seconds=busy_seconds,
            seats=tuple(
                Seat(
                    w.replica, report.in_flight if (report := scene.report(w)) else 0, w.state is State.READY
                )
                for w in mine
            ),
            oldest_seconds=max((each.oldest_seconds or 0.0 for each in known), default=None) or None,
            paused=set(names) <= set(group.paused),
        )

    def _forget_all_but(self, groups: set[str]) -> None:
        for name in set(self._courses) - groups:
            del self._courses[name]
            self._latest.pop(name, None)
            self._history.pop(name, None)

    def shown(self, group: Group) -> dict[str, Any] | None:
        """For `status`; None for a group that does not scale."""
        policy, course = group.autoscale, self._courses.get(group.name)
        if policy is None or course is None:
            return None
        latest = self._latest.get(group.name)
        numbers = latest.reckoning if latest is not None else None
        return {
            "min": policy.min,
            "max": policy.max,
            "target_latency_seconds": policy.target_latency_seconds,
            "replicas": len(course.slots),
            "why": latest.why if latest is not None else "it has just started",
            "numbers": reckoned(numbers) if numbers is not None else None,
            "need": numbers.need if numbers is not None else None,
            "arrivals_per_second": numbers.arrivals_per_second if numbers is not None else None,
            "task_seconds": numbers.task_seconds if numbers is not None else course.task_seconds,
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


def _routing(fleet: Accepted) -> RoutingSpec:
    """What to ask for: the queues of groups that scale."""
    names = {queue.name for group in fleet.groups if group.autoscale for queue in group.spec.queues}
    queues = tuple(queue for queue in fleet.routing.queues if queue.name in names)
    return replace(fleet.routing, queues=queues)


def _limits(group: Group, in_force: Accepted, scene: Scene, room: Room) -> Limits:
    footprints = [_footprint(each, scene) for each in in_force.groups]
    most, because = most_replicas(group.name, footprints, room)
    return Limits(_slots(group), group.spec.grace_period_seconds, most, because)


def _slots(group: Group) -> int:
    return 1 if group.spec.pool == "solo" else group.spec.concurrency


def _footprint(group: Group, scene: Scene) -> Footprint:
    """Memory as its workers report it; one that has none running is not known."""
    sizes = _sizes(group.name, scene)
    mean = sum(sizes) // len(sizes) if sizes else 0
    return Footprint(group.name, group.spec.pool, _slots(group), group.replicas, mean)


def _sizes(group: str, scene: Scene) -> Sequence[int]:
    reports = (scene.report(worker) for worker in scene.workers if worker.group == group)
    return [report.rss_bytes for report in reports if report is not None and report.rss_bytes]
