"""The rollback decision: when a group goes back to the revision that worked, and which has shown that. Pure."""

from __future__ import annotations

from fleet.controller.observed.observe import State
from fleet.controller.rollout.group_plan import GroupState
from fleet.controller.state.revisions import Revisions


def to_trust(at: GroupState, revisions: Revisions) -> bool:
    """Whether the group has shown that it works as it is, so that it is something to go back to.

    At first one ready worker is proof enough: an edit may come at any time.
    """
    ready = {worker.replica for worker in at.current if worker.state is State.READY}
    if revisions.trusted_group(at.group.name) is None:
        return bool(ready)
    return bool(ready) and not at.outdated and ready == set(at.group.slots)


def to_roll_back(at: GroupState, revisions: Revisions, *, impossible: bool = False) -> bool:
    """Whether new workers of the declared revision have failed so that the old ones should stay or return.

    As long as the old ones are at work, or if it was the rollout that took them down. `impossible`: new ones could
    not even be started, for as long as the rollout may take.
    """
    group = at.group
    trusted = revisions.trusted_group(group.name)
    if group.rollout.on_failure != "rollback" or trusted is None or trusted.revision == group.revision:
        return False
    if impossible and at.outdated:
        return True
    return at.halted or (group.max_unavailable > 0 and any(map(at.stuck, at.current)))
