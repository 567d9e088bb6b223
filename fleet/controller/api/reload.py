"""`fleet reload`: look at the file now, then tell how the rollout goes until it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from fleet.controller.api.commands import Request, audit
from fleet.controller.declared.declaration import FileVerdict
from fleet.controller.observed.observe import Observation
from fleet.controller.reconciler import Reconciler
from fleet.controller.rollout.group_plan import standing
from fleet.controller.rollout.progress import stuck
from fleet.fleet_state import FleetState

_LOOK_SECONDS = 0.1
_VERDICTS = {
    FileVerdict.SAME: "the file is in force already",
    FileVerdict.ADOPTED: "the file is in force now",
}


async def reload(reconciler: Reconciler, request: Request) -> AsyncIterator[dict[str, Any]]:
    """Objects with `event` (a line of the log) or `progress` (a text); the last one has `outcome`.

    Outcomes: "rejected" (with `diagnostics`), "unchanged", "done", "failed" (with `reason`), "rolled back"
    (with `groups`, each with its `reason`; `group` and `reason` are those of the first).
    A revision that was rolled back is tried again: whoever asks may have mended something outside the file.
    """
    told, before = reconciler.log.sequence, reconciler.declaration.accepted
    verdict = await reconciler.consider_file(force=True)
    declared = reconciler.declaration.accepted
    if verdict is FileVerdict.REJECTED or declared is None:
        rejected = reconciler.declaration.rejected or {}
        audit(reconciler, request, "WARNING", "the file has errors, the fleet goes on as it is")
        yield {"outcome": "rejected", "diagnostics": rejected.get("diagnostics", [])}
        return
    reconciler.try_again()
    audit(reconciler, request, "INFO", _VERDICTS[verdict])
    changed = [group.name for group in declared.groups if before is None or before.group(group.name) != group]
    async for step in _follow(reconciler, changed, told, edited=verdict is not FileVerdict.SAME):
        yield step


async def restarted(reconciler: Reconciler, group: str | None, told: int) -> AsyncIterator[dict[str, Any]]:
    """As `reload`, after workers of one group, or of all, were asked to be replaced."""
    effective = reconciler.effective
    groups = [each.name for each in effective.groups] if effective and group is None else [str(group)]
    async for step in _follow(reconciler, groups, told, edited=True):
        yield step


async def _follow(
    reconciler: Reconciler, concerned: list[str], told: int, *, edited: bool
) -> AsyncIterator[dict[str, Any]]:
    """What happens from the event `told` on, until each group is as it should be or will not get there."""
    asked_at, progress = time.monotonic(), ""
    while True:
        for event in reconciler.log.after(told):
            told = event.sequence
            yield {"event": event.to_dict()}
        observation, effective = reconciler.observation, reconciler.effective
        if observation is not None and effective is not None and observation.now > asked_at:
            # When nothing has changed, then those that are on their way anyway, or have just been sent back.
            concerned = concerned or _unsettled(effective, observation) + list(_rolled_back(reconciler))
            if outcome := _outcome(reconciler, effective, observation, concerned):
                unchanged = outcome["outcome"] == "done" and not edited and not concerned
                yield {"outcome": "unchanged"} if unchanged else outcome
                return
            if (text := _progress(effective, observation)) != progress:
                progress = text
                yield {"progress": text}
        await asyncio.sleep(_LOOK_SECONDS)


def _unsettled(effective: FleetState, observation: Observation) -> list[str]:
    return [
        group.name
        for group in effective.groups
        if not standing(group, observation.workers, observation.now).settled
    ]


def _rolled_back(reconciler: Reconciler) -> dict[str, str]:
    """Group → why."""
    return {view.group: view.reason for view in reconciler.rollouts if view.state == "rolled back"}


def _outcome(
    reconciler: Reconciler, effective: FleetState, observation: Observation, concerned: list[str]
) -> dict[str, Any] | None:
    """None while there is something to wait for."""
    undone = _rolled_back(reconciler)
    failed = [{"group": name, "reason": undone[name]} for name in concerned if name in undone]
    open_groups = [
        name for name in _unsettled(effective, observation) if name in concerned and name not in undone
    ]
    leftover = [
        worker
        for worker in observation.workers
        if effective.group(worker.group) is None and not worker.leaving
    ]
    if reason := stuck(effective, observation, open_groups):
        return {"outcome": "failed", "reason": reason}
    if open_groups or leftover:
        return None
    if failed:
        return {"outcome": "rolled back", **failed[0], "groups": failed}
    if left_undone := reconciler.failures.concerning(concerned):
        return {"outcome": "failed", "reason": "; ".join(left_undone)}
    return {"outcome": "done", "draining": sum(worker.leaving for worker in observation.workers)}


def _progress(effective: FleetState, observation: Observation) -> str:
    """Each group that is not there yet, as in "http 1/2"."""
    parts = []
    for group in effective.groups:
        at = standing(group, observation.workers, observation.now)
        if not at.settled:
            parts.append(f"{group.name} {sum(map(at.available, at.current))}/{group.replicas}")
    return ", ".join(parts)
