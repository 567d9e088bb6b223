"""The simulated machine: queues, workers with slots, and a heap of what happens next. Pure, deterministic.

A free slot takes the oldest message of the group's first queue that has one. A task takes the time that the
load says, whatever else runs: CPUs that are too few for the processes are not part of it.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import count

from fleet.controller.autoscale.decision import begin, decide
from fleet.controller.autoscale.need import Limits, ObservedLoad, ScalerState
from fleet.controller.autoscale.room import Footprint, Room, most_replicas
from fleet.controller.autoscale.slots import SlotLoad
from fleet.controller.autoscale.why import said
from fleet.fleet_state import Group

TICK_SECONDS = 1.0

Arrival = tuple[float, str, float]
"""When, in which queue, and how long its task takes."""


@dataclass(slots=True)
class _Worker:
    slot: int
    ready: bool = False
    leaving: bool = False
    in_flight: int = 0


@dataclass(frozen=True, slots=True)
class Point:
    """One group at one moment."""

    at: float
    waiting: int
    in_flight: int
    replicas: int  # wanted
    ready: int


@dataclass(slots=True)
class History:
    """What became of one group. `unstarted` are messages that nobody ever took."""

    group: str
    waits: list[float] = field(default_factory=list)
    points: list[Point] = field(default_factory=list)
    decisions: list[tuple[float, str]] = field(default_factory=list)
    unstarted: int = 0


@dataclass(slots=True)
class _Crew:
    """The workers of a group."""

    group: Group
    slots_per_worker: int
    history: History
    scaler: ScalerState
    workers: list[_Worker] = field(default_factory=list)
    done: int = 0
    busy_seconds: float = 0.0

    @property
    def staying(self) -> list[_Worker]:
        return [worker for worker in self.workers if not worker.leaving]

    def free_worker(self) -> _Worker | None:
        """The one with the least to do."""
        free = [w for w in self.workers if w.ready and not w.leaving and w.in_flight < self.slots_per_worker]
        return min(free, key=lambda worker: worker.in_flight, default=None)

    def footprint(self) -> Footprint:
        spec = self.group.spec
        memory = spec.max_memory_bytes or 0
        processes = spec.slots if spec.pool == "prefork" else 1
        return Footprint(
            spec.group, spec.pool, self.slots_per_worker, len(self.scaler.slots), memory * processes
        )


class World:
    """`run` once; `boot_seconds` is what a worker takes from its start until it is ready."""

    def __init__(self, groups: Sequence[Group], room: Room, *, boot_seconds: float = 1.0) -> None:
        self._room = room
        self._boot = boot_seconds
        self._crews = [_crew(group) for group in groups]
        queues = {queue.name for group in groups for queue in group.spec.queues}
        self._queues: dict[str, deque[tuple[float, float]]] = {name: deque() for name in queues}
        self._consumers = {
            name: [crew for crew in self._crews if name in {queue.name for queue in crew.group.spec.queues}]
            for name in queues
        }
        self._events: list[tuple[float, int, object]] = []
        self._order = count()

    def run(self, arrivals: Sequence[Arrival], *, until: float, at_most: float) -> list[History]:
        """`arrivals` in order. Ends at `until` or when all is done, whichever is later; at `at_most`."""
        for crew in self._crews:
            for slot in crew.scaler.slots:
                crew.workers.append(_Worker(slot, ready=True))
        incoming = iter(arrivals)
        coming = next(incoming, None)
        tick = 0.0
        while tick <= at_most and (tick <= until or coming is not None or self._busy()):
            while True:
                due = self._events[0][0] if self._events else float("inf")
                arrives = coming[0] if coming is not None else float("inf")
                if min(due, arrives) > tick:
                    break
                if arrives <= due:
                    assert coming is not None
                    self._arrive(coming)
                    coming = next(incoming, None)
                else:
                    self._happen()
            self._tick(tick)
            tick += TICK_SECONDS
        self._count_the_rest(tick, [] if coming is None else [coming, *incoming])
        return [crew.history for crew in self._crews]

    def _busy(self) -> bool:
        return any(self._queues.values()) or any(w.in_flight for crew in self._crews for w in crew.workers)

    def _later(self, at: float, what: object) -> None:
        heapq.heappush(self._events, (at, next(self._order), what))

    def _arrive(self, arrival: Arrival) -> None:
        at, queue, seconds = arrival
        self._queues[queue].append((at, seconds))
        for crew in self._consumers[queue]:
            if self._queues[queue] and (worker := crew.free_worker()):
                self._take(crew, worker, queue, at)

    def _take(self, crew: _Crew, worker: _Worker, queue: str, now: float) -> None:
        arrived, seconds = self._queues[queue].popleft()
        crew.history.waits.append(now - arrived)
        worker.in_flight += 1
        self._later(now + seconds, (crew, worker, seconds))

    def _happen(self) -> None:
        at, _, what = heapq.heappop(self._events)
        assert isinstance(what, tuple)
        crew, worker, seconds = what
        if seconds is None:
            worker.ready = True
        else:
            worker.in_flight -= 1
            crew.done += 1
            crew.busy_seconds += seconds
        if worker.leaving:
            if not worker.in_flight:
                crew.workers.remove(worker)
            return
        self._work(crew, worker, at)

    def _work(self, crew: _Crew, worker: _Worker, now: float) -> None:
        """Fill its free slots."""
        for queue in crew.group.spec.queues:
            while worker.in_flight < crew.slots_per_worker and self._queues[queue.name]:
                self._take(crew, worker, queue.name, now)

    def _tick(self, now: float) -> None:
        for crew in self._crews:
            waiting = sum(len(self._queues[queue.name]) for queue in crew.group.spec.queues)
            if crew.group.autoscale is not None:
                self._scale(crew, waiting, now)
            in_flight = sum(worker.in_flight for worker in crew.workers)
            ready = sum(worker.ready for worker in crew.staying)
            crew.history.points.append(Point(now, waiting, in_flight, len(crew.scaler.slots), ready))

    def _scale(self, crew: _Crew, waiting: int, now: float) -> None:
        policy = crew.group.autoscale
        assert policy is not None
        heads = [
            self._queues[queue.name][0][0] for queue in crew.group.spec.queues if self._queues[queue.name]
        ]
        load = ObservedLoad(
            waiting=waiting,
            held=sum(worker.in_flight for worker in crew.workers),
            done=crew.done,
            busy_seconds=crew.busy_seconds,
            slots=tuple(SlotLoad(w.slot, w.in_flight, w.ready) for w in crew.staying),
            oldest_seconds=now - min(heads) if heads else None,
        )
        most, why = most_replicas(crew.group.name, [each.footprint() for each in self._crews], self._room)
        limits = Limits(crew.slots_per_worker, crew.group.spec.grace_period_seconds, most, why)
        decision = decide(policy, limits, load, crew.scaler, now)
        if decision.replicas != decision.before:
            crew.history.decisions.append((now, said(crew.group.name, decision)))
        self._apply(crew, decision.scaler, now)

    def _apply(self, crew: _Crew, scaler: ScalerState, now: float) -> None:
        crew.scaler = scaler
        held = {worker.slot for worker in crew.staying}
        for slot in set(scaler.slots) - held:
            worker = _Worker(slot)
            crew.workers.append(worker)
            self._later(now + self._boot, (crew, worker, None))
        for worker in crew.staying:
            if worker.slot not in scaler.slots:
                worker.leaving = True
                if not worker.in_flight and worker.ready:
                    crew.workers.remove(worker)

    def _count_the_rest(self, now: float, never_arrived: Sequence[Arrival]) -> None:
        """What still waits has waited until now: a wait that never ends must not look short."""
        for name, queue in self._queues.items():
            histories = [crew.history for crew in self._consumers[name][:1]]
            for history in histories:
                history.waits += [now - arrived for arrived, _ in queue]
                history.unstarted += len(queue) + sum(arrival[1] == name for arrival in never_arrived)


def _crew(group: Group) -> _Crew:
    scaler = begin(group.autoscale, (), 0.0) if group.autoscale is not None else ScalerState(group.slots)
    return _Crew(group, group.spec.slots, History(group.name), scaler)


def fixed(group: Group, replicas: int) -> Group:
    """The group with that many workers and no autoscaling: what a load would be without it."""
    return replace(group, replicas=replicas, autoscale=None)
