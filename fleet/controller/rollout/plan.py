"""The plan: named actions that turn what is observed into what is declared. Pure; the clock is an argument.

Called again after every change, it says what to do *now*: waiting is returning nothing. It keeps no memory,
so a controller that starts in the middle of a rollout continues it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.controller.observed.observe import SeenWorker
from fleet.controller.rollout.group_plan import GroupState, drains, standing, starts, untold
from fleet.fleet_state import FleetState, Group
from fleet.slot_names import worker_full_name


@dataclass(frozen=True, slots=True)
class Start:
    """Add a worker of the declared revision to a slot."""

    group: str
    replica: int
    revision: str
    reason: str
    symbol = "+"


@dataclass(frozen=True, slots=True)
class Drain:
    """Tell a worker to finish and go."""

    group: str
    replica: int
    serial: int
    reason: str
    kill: bool = False  # it does not react any more
    symbol = "-"

    @property
    def name(self) -> str:
        """The supervisor's full name of the program."""
        return worker_full_name(self.group, self.replica, self.serial)


@dataclass(frozen=True, slots=True)
class Kill:
    """End the process of a worker that does no work; the supervisor starts the same program again."""

    group: str
    replica: int
    serial: int
    pid: int
    reason: str
    symbol = "!"

    @property
    def name(self) -> str:
        """The supervisor's full name of the program."""
        return worker_full_name(self.group, self.replica, self.serial)


@dataclass(frozen=True, slots=True)
class Tell:
    """Let a running worker go on by other settings ("configure") or consume other queues ("pause")."""

    group: str
    replica: int
    serial: int
    pid: int
    do: str
    reason: str
    symbol = "~"

    @property
    def name(self) -> str:
        """The supervisor's full name of the program."""
        return worker_full_name(self.group, self.replica, self.serial)


Action = Start | Drain | Kill | Tell


def plan(effective: FleetState, observed: Sequence[SeenWorker], now: float) -> list[Action]:
    """What to do now, drains first; [] when there is nothing to do or only waiting to be done."""
    actions: list[Action] = [
        _drain(worker, "its group is not in the file any more")
        for worker in observed
        if effective.group(worker.group) is None and not worker.leaving
    ]
    for group in effective.groups:
        actions += _group_actions(standing(group, observed, now))
    return actions


def _group_actions(at: GroupState) -> list[Action]:
    going = drains(at)
    coming = starts(at, going)
    gone = {surplus.worker for surplus in going}
    return [
        *(_drain(surplus.worker, surplus.reason, kill=at.sick(surplus.worker)) for surplus in going),
        *(_kill(worker) for worker in at.staying if at.sick(worker) and worker not in gone),
        *(_start(at.group, slot, reason) for slot, reason in coming),
        *(_tell(worker, do, reason) for worker, do, reason in untold(at) if worker not in gone),
    ]


def _drain(worker: SeenWorker, reason: str, *, kill: bool = False) -> Drain:
    return Drain(worker.group, worker.replica, worker.serial, reason, kill)


def _kill(worker: SeenWorker) -> Kill:
    reason = worker.trouble or "it has stopped reporting"
    return Kill(worker.group, worker.replica, worker.serial, worker.pid, reason)


def _tell(worker: SeenWorker, do: str, reason: str) -> Tell:
    return Tell(worker.group, worker.replica, worker.serial, worker.pid, do, reason)


def _start(group: Group, slot: int, reason: str) -> Start:
    return Start(group.name, slot, group.revision, reason)


def settled(effective: FleetState, observed: Sequence[SeenWorker], now: float) -> bool:
    """Exactly the declared workers are there, each ready for long enough; others may still be draining."""
    unwanted = any(effective.group(worker.group) is None and not worker.leaving for worker in observed)
    return not unwanted and all(standing(group, observed, now).settled for group in effective.groups)
