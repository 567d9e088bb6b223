"""Where each rollout stands, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.controller.desired import Accepted
from fleet.controller.ledger import Failure, Ledger, to_roll_back, to_trust
from fleet.controller.observe import Scene, SeenWorker, State
from fleet.controller.rollout import Standing, standing
from fleet.controller.words import ending, last_words


@dataclass(frozen=True, slots=True)
class RolloutView:
    """A group that is being replaced. `state` is "progressing", or "halted" or "rolled back", both of which
    end when somebody acts.
    """

    group: str
    state: str
    reason: str


def rollouts(declared: Accepted, desired: Accepted, scene: Scene, ledger: Ledger) -> list[RolloutView]:
    """One for each group that still has workers of an older revision, or whose declared one has failed."""
    failures = [mark for group in declared.groups if (mark := ledger.failure(group))]
    undone = [RolloutView(mark.group, "rolled back", mark.reason) for mark in failures]
    places = [standing(group, scene.workers, scene.now) for group in desired.groups]
    failed = {view.group for view in undone}
    return undone + [_view(at, scene) for at in places if at.outdated and at.group.name not in failed]


def judge(desired: Accepted, scene: Scene, ledger: Ledger, timestamp: float) -> Ledger:
    """Write down which groups are as they should be, and which new revisions have failed just now."""
    for group in desired.groups:
        at = standing(group, scene.workers, scene.now)
        if ledger.trusted_group(group.name) != group and to_trust(at, ledger):
            ledger = ledger.trust(group)
        elif to_roll_back(at, ledger):
            culprit = next(worker for worker in at.current if at.stuck(worker))
            ledger = ledger.mark(Failure(group.name, group.revision, failure(culprit, scene), timestamp))
    return ledger


def stuck(desired: Accepted, scene: Scene, groups: Sequence[str]) -> str | None:
    """Why one of `groups` will not come up by itself; None while there is hope."""
    for group in desired.groups:
        if group.name in groups:
            at = standing(group, scene.workers, scene.now)
            for worker in at.current:
                if at.stuck(worker):
                    return failure(worker, scene)
    return None


def _view(at: Standing, scene: Scene) -> RolloutView:
    name = at.group.name
    if at.halted:
        culprit = next(worker for worker in at.current if at.stuck(worker))
        reason = f"{failure(culprit, scene)}; {len(at.outdated)} old left running"
        return RolloutView(name, "halted", reason)
    done = sum(map(at.available, at.current))
    waiting = next((worker.worker for worker in at.current if not at.available(worker)), None)
    reason = f"{done} of {at.group.replicas} replaced" + (f", waiting for {waiting}" if waiting else "")
    return RolloutView(name, "progressing", reason)


def failure(worker: SeenWorker, scene: Scene) -> str:
    """What is wrong with a worker that does not come up, with its last words."""
    last = scene.programs[worker.name].last_exit
    if last is None or (worker.state is State.STARTING and not worker.crashed):
        return f"{worker.worker} did not get ready in time"
    return f"{worker.worker} {ending(last)}{last_words(last)}"
