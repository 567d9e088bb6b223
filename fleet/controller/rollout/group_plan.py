"""The plan of one group: from the workers that are there to the workers that are declared. Pure.

The slots of the group each want one worker of the declared revision. Missing ones are started; a slot that
holds an old worker gets a new one beside it (as far as `max_surge` allows), and the old one is drained once
the new one has been ready for `min_ready`. A new worker that fails stops this, and what works stays. A
worker that asks to be replaced counts as old.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.controller.observed.observe import SeenWorker, State
from fleet.fleet_state import Group


@dataclass(frozen=True, slots=True)
class GroupState:
    """The workers of one group at one moment, sorted by what the declaration makes of them."""

    group: Group
    current: tuple[SeenWorker, ...]  # of the declared revision, staying
    old: tuple[SeenWorker, ...]  # of another revision or asking to be replaced, staying
    leaving: tuple[SeenWorker, ...]
    now: float

    @property
    def staying(self) -> tuple[SeenWorker, ...]:
        return self.current + self.old

    def available(self, worker: SeenWorker) -> bool:
        """Ready, and for long enough to be relied on."""
        since, wait = worker.ready_since, self.group.rollout.min_ready_seconds
        return since is not None and self.now - since >= wait

    @property
    def outdated(self) -> tuple[SeenWorker, ...]:
        """The workers of another revision."""
        return tuple(worker for worker in self.old if worker.revision != self.group.revision)

    def overdue(self, worker: SeenWorker) -> bool:
        """Not ready although its process has had all the time it may take."""
        return self._late(worker) and worker.state is State.STARTING and not self._waits_for_broker(worker)

    def _late(self, worker: SeenWorker) -> bool:
        return self.now - worker.started > self.group.rollout.progress_deadline_seconds

    def _waits_for_broker(self, worker: SeenWorker) -> bool:
        """Nobody in the group reaches it: then this says nothing about the worker."""
        return worker.cut_off and all(other.cut_off for other in self.staying if other.been_up)

    def sick(self, worker: SeenWorker) -> bool:
        """Whether it lives but does nothing, not even react: only killing it helps.

        An import may keep a process from reporting: that gets the time that any start gets.
        """
        if worker.state is State.SILENT:
            return worker.been_up or self._late(worker)
        return worker.state is State.TROUBLED

    def stuck(self, worker: SeenWorker) -> bool:
        """Whether it has failed in a way that does not pass by itself within moments."""
        down = worker.state in (State.BACKOFF, State.STARTING, State.UNKNOWN)
        return worker.state is State.FAILED or (worker.looping and down) or self.overdue(worker)

    def expendable(self, worker: SeenWorker) -> bool:
        """Whether its group loses nothing when it goes: it does not work, nor did it a moment ago."""
        fresh = worker.state is State.STARTING and worker.restarts == 0
        return fresh or self.stuck(worker)

    def suspect(self, worker: SeenWorker) -> bool:
        """Whether a new worker has given cause to doubt its revision, and has not dispelled it yet."""
        recovering = worker.crashed and worker.state in (State.STARTING, State.READY)
        doubtful = recovering and not self.available(worker)
        return doubtful or worker.state is State.BACKOFF or self.stuck(worker)

    @property
    def doubted(self) -> bool:
        """A new worker failed while old ones still do the work: replace no further for now."""
        return any(map(self.suspect, self.current)) and self._old_at_work

    @property
    def halted(self) -> bool:
        """As `doubted`, and it will not pass by itself: somebody has to look."""
        return any(map(self.stuck, self.current)) and self._old_at_work

    @property
    def _old_at_work(self) -> bool:
        return any(not self.expendable(worker) for worker in self.old)

    @property
    def settled(self) -> bool:
        """Exactly the declared workers, each available; old ones may still be draining."""
        slots = sorted(worker.replica for worker in self.current)
        return (
            not self.old
            and tuple(slots) == self.group.slots
            and all(map(self.available, self.current))
            and not untold(self)
        )


def standing(group: Group, workers: Sequence[SeenWorker], now: float) -> GroupState:
    """Sort the workers of `group` (those of other groups are ignored)."""
    mine = [worker for worker in workers if worker.group == group.name]
    staying = [worker for worker in mine if not worker.leaving]
    return GroupState(
        group=group,
        current=tuple(worker for worker in staying if _wanted(worker, group)),
        old=tuple(worker for worker in staying if not _wanted(worker, group)),
        leaving=tuple(worker for worker in mine if worker.state is State.STOPPING),
        now=now,
    )


def _wanted(worker: SeenWorker, group: Group) -> bool:
    return worker.revision == group.revision and worker.recycle is None


@dataclass(frozen=True, slots=True)
class Surplus:
    """A worker that should go, and why."""

    worker: SeenWorker
    reason: str


def drains(at: GroupState) -> list[Surplus]:
    """Who goes now: what is no use to the group, and of the rest as many as its availability allows."""
    spare = sum(map(at.available, at.staying)) - (at.group.replicas - at.group.max_unavailable)
    going = []
    for surplus in _unwanted(at):
        if at.available(surplus.worker):
            if spare < 1:
                continue
            spare -= 1
        elif not _useless(at, surplus.worker) and spare < 0:
            # It may be working (no word from it yet, or about to be ready again): sure is sure.
            continue
        going.append(surplus)
    return going


def _useless(at: GroupState, worker: SeenWorker) -> bool:
    return at.expendable(worker) or worker.state in (State.SILENT, State.TROUBLED)


def _unwanted(at: GroupState) -> list[Surplus]:
    """All that may go as soon as availability allows, most dispensable first."""
    slots = frozenset(at.group.slots)
    excess = [
        Surplus(worker, f"replicas = {at.group.replicas}")
        for worker in sorted(at.staying, key=lambda worker: -worker.replica)
        if worker.replica not in slots
    ]
    # Also of the old ones: two that wait for one replacement leave no room for it to start.
    doubles = [
        Surplus(worker, "a second worker in its slot")
        for kind in (at.current, at.old)
        for rivals in _by_slot(kind).values()
        for worker in rivals
        if worker.replica in slots and worker is not _best(at, rivals)
    ]
    if at.doubted:
        return excess + doubles
    said = {surplus.worker for surplus in doubles}
    return excess + doubles + [surplus for surplus in _replaced(at) if surplus.worker not in said]


def _by_slot(workers: Sequence[SeenWorker]) -> dict[int, list[SeenWorker]]:
    found: dict[int, list[SeenWorker]] = {}
    for worker in workers:
        found.setdefault(worker.replica, []).append(worker)
    return found


def _best(at: GroupState, rivals: Sequence[SeenWorker]) -> SeenWorker:
    """The worker to keep of those of one kind that fill one slot."""

    def dispensable(worker: SeenWorker) -> tuple[object, ...]:
        declared = worker.revision == at.group.revision
        # Of two that ask for a replacement the younger one is the other's.
        age = -worker.serial if worker.recycle else worker.serial
        return not at.available(worker), at.expendable(worker), not declared, age

    return min(rivals, key=dispensable)


def _replaced(at: GroupState) -> list[Surplus]:
    """Old workers: those with a proven replacement, then (highest slot first) those that may go before it."""
    slots = frozenset(at.group.slots)
    old = sorted(
        (worker for worker in at.old if worker.replica in slots),
        key=lambda worker: -worker.replica,
    )
    proven = {worker.replica for worker in at.current if at.available(worker)}
    first = [Surplus(worker, _replaced_why(at, worker)) for worker in old if worker.replica in proven]
    early = [
        Surplus(worker, _replaced_why(at, worker))
        for worker in old
        if worker.replica not in proven and (at.group.max_unavailable > 0 or at.expendable(worker))
    ]
    return first + early


def _replaced_why(at: GroupState, worker: SeenWorker) -> str:
    if worker.revision == at.group.revision:
        return f"replaced: {worker.recycle}"
    return f"replaced by revision {at.group.revision}"


def starts(at: GroupState, going: Sequence[Surplus]) -> list[tuple[int, str]]:
    """The slots to start a worker in now, and why; `going` is what `drains` decided."""
    if at.group.singleton and (at.staying or at.leaving):
        return []
    gone = {surplus.worker for surplus in going}
    staying = [worker for worker in at.staying if worker not in gone]
    held = {worker.replica for worker in staying}
    current = set(at.current)
    renewed = {worker.replica for worker in staying if worker in current}
    surge = at.group.max_surge
    # Without surge a slot never has two processes, not even while one drains.
    blocked = held | {worker.replica for worker in (*at.leaving, *gone)} if surge == 0 else held
    slots = at.group.slots
    empty = [(slot, _why(at, slot)) for slot in slots if slot not in blocked]
    if at.doubted or surge == 0:
        return empty
    room = at.group.replicas + surge - len(staying) - len(empty)
    outdated = held - renewed
    beside = [slot for slot in slots if slot in outdated][: max(0, room)]
    return empty + [(slot, _why(at, slot)) for slot in beside]


def untold(at: GroupState) -> list[tuple[SeenWorker, str, str]]:
    """Who still goes by other live settings or consumes other queues than it should: what to do, and why.

    One that has not said by which it goes is asked nothing: it started with the right ones.
    """
    ready = [worker for worker in at.staying if worker.state is State.READY]
    other_settings = [
        worker
        for worker in ready
        if worker.revision == at.group.revision and worker.live_revision not in (None, at.group.live_revision)
    ]
    other_queues = [worker for worker in ready if worker.paused not in (None, at.group.paused)]
    paused = ", ".join(at.group.paused)
    return [
        *((worker, "configure", "settings changed") for worker in other_settings),
        *((worker, "pause", f"paused: {paused}" if paused else "resumed") for worker in other_queues),
    ]


def _why(at: GroupState, slot: int) -> str:
    held_by = [worker for worker in at.old if worker.replica == slot]
    if any(worker.revision != at.group.revision for worker in held_by):
        return "settings changed"
    return next((worker.recycle for worker in held_by if worker.recycle), "there is none yet")
