"""The whole way from what is there to what is declared, if all goes well: the planner, asked again and again,
with workers that are ready at once and drain at once. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from fleet.controller.observed.observe import SeenWorker, State
from fleet.controller.rollout.plan import Action, Drain, Kill, Start, Tell, plan
from fleet.fleet_state import FleetState

_FOR_EVER = float("-inf")

# More than any fleet needs: a guard against a planner that goes round in circles.
_MOST_STEPS = 10_000


def foresee(effective: FleetState, observed: Sequence[SeenWorker]) -> list[Action]:
    """All actions, in their order."""
    workers = [_at_its_best(worker) for worker in observed if not worker.leaving]
    actions: list[Action] = []
    for _ in range(_MOST_STEPS):
        step = plan(effective, workers, 0.0)
        if not step:
            break
        actions += step
        for action in step:
            workers = _after(action, workers, effective)
    return actions


def _at_its_best(worker: SeenWorker) -> SeenWorker:
    return replace(worker, state=State.READY, ready_since=_FOR_EVER, crashed=False, looping=False)


def _after(action: Action, workers: list[SeenWorker], effective: FleetState) -> list[SeenWorker]:
    match action:
        case Start():
            serial = 1 + max((each.serial for each in workers), default=0)
            new = SeenWorker(action.group, action.replica, serial, action.revision, State.READY)
            return [*workers, _at_its_best(new)]
        case Drain():
            return [worker for worker in workers if worker.name != action.name]
        case Tell():
            group = effective.group(action.group)
            assert group is not None, "a plan tells workers of declared groups only"
            news = (
                {"paused": group.paused} if action.do == "pause" else {"live_revision": group.live_revision}
            )
            return [replace(each, **news) if each.name == action.name else each for each in workers]
        case Kill():
            return workers  # those at their best need none
