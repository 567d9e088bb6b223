"""The progress of each rollout, in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fleet.controller.log.humanize import ending, last_words
from fleet.controller.observed.observe import Observation, SeenWorker, State
from fleet.controller.rollout.group_plan import GroupState, standing
from fleet.controller.rollout.rollback import to_roll_back, to_trust
from fleet.controller.state.revisions import FailedRevision, Revisions
from fleet.fleet_state import FleetState


@dataclass(frozen=True, slots=True)
class RolloutView:
    """A group that is being replaced. `state` is "progressing", or "halted" or "rolled back", both of which
    end when somebody acts.
    """

    group: str
    state: str
    reason: str


def rollouts(
    declared: FleetState, effective: FleetState, observation: Observation, revisions: Revisions
) -> list[RolloutView]:
    """One for each group that still has workers of an older revision, or whose declared one has failed."""
    failures = [mark for group in declared.groups if (mark := revisions.failure(group))]
    undone = [RolloutView(mark.group, "rolled back", mark.reason) for mark in failures]
    places = [standing(group, observation.workers, observation.now) for group in effective.groups]
    failed = {view.group for view in undone}
    return undone + [_view(at, observation) for at in places if at.outdated and at.group.name not in failed]


def judge(
    effective: FleetState, observation: Observation, revisions: Revisions, timestamp: float
) -> Revisions:
    """Write down which groups are as they should be, and which new revisions have failed just now."""
    for group in effective.groups:
        at = standing(group, observation.workers, observation.now)
        if revisions.trusted_group(group.name) != group and to_trust(at, revisions):
            revisions = revisions.trust(group)
        elif to_roll_back(at, revisions, impossible=impossible(at, observation) is not None):
            culprit = next((worker for worker in at.current if at.stuck(worker)), None)
            reason = failure(culprit, observation) if culprit else impossible(at, observation)
            revisions = revisions.mark(FailedRevision(group.name, group.revision, str(reason), timestamp))
    return revisions


def stuck(effective: FleetState, observation: Observation, groups: Sequence[str]) -> str | None:
    """Why one of `groups` will not come up by itself; None while there is hope."""
    for group in effective.groups:
        if group.name in groups:
            at = standing(group, observation.workers, observation.now)
            for worker in at.current:
                if at.stuck(worker):
                    return failure(worker, observation)
            if reason := impossible(at, observation):
                return reason
    return None


def impossible(at: GroupState, observation: Observation) -> str | None:
    """What has failed for the group for longer than its rollout may take; None while there is time left."""
    since = observation.failed.get(at.group.name)
    if since is None or observation.now - since.monotonic <= at.group.rollout.progress_deadline_seconds:
        return None
    return str(since.failed)


def _view(at: GroupState, observation: Observation) -> RolloutView:
    name = at.group.name
    if at.halted:
        culprit = next(worker for worker in at.current if at.stuck(worker))
        reason = f"{failure(culprit, observation)}; {len(at.outdated)} old left running"
        return RolloutView(name, "halted", reason)
    if never := impossible(at, observation):
        return RolloutView(name, "halted", f"{never}; {len(at.outdated)} old left running")
    done = sum(map(at.available, at.current))
    waiting = next((worker.worker for worker in at.current if not at.available(worker)), None)
    reason = f"{done} of {at.group.replicas} replaced" + (f", waiting for {waiting}" if waiting else "")
    return RolloutView(name, "progressing", reason)


def failure(worker: SeenWorker, observation: Observation) -> str:
    """What is wrong with a worker that does not come up, with its last words."""
    last = observation.programs[worker.name].last_exit
    if last is None or (worker.state is State.STARTING and not worker.crashed):
        return f"{worker.worker} did not get ready in time"
    return f"{worker.worker} {ending(last)}{last_words(last)}"
