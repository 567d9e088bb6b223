"""`fleet reload`: look at the file now, then tell how the rollout goes until it has ended."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from fleet.controller.brain import Brain
from fleet.controller.commands import Request, audit
from fleet.controller.declaration import Verdict
from fleet.controller.desired import Accepted
from fleet.controller.observe import Scene
from fleet.controller.progress import stuck
from fleet.controller.rollout import standing

_LOOK_SECONDS = 0.1
_VERDICTS = {
    Verdict.SAME: "the file is in force already",
    Verdict.ADOPTED: "the file is in force now",
}


async def reload(brain: Brain, request: Request) -> AsyncIterator[dict[str, Any]]:
    """Objects with `event` (a line of the log) or `progress` (a text); the last one has `outcome`.

    Outcomes: "rejected" (with `diagnostics`), "unchanged", "done", "failed" (with `reason`), "rolled back"
    (with `groups`, each with its `reason`; `group` and `reason` are those of the first).
    A revision that was rolled back is tried again: whoever asks may have mended something outside the file.
    """
    told, before = brain.log.sequence, brain.declaration.accepted
    verdict = await brain.consider_file(force=True)
    declared = brain.declaration.accepted
    if verdict is Verdict.REJECTED or declared is None:
        rejected = brain.declaration.rejected or {}
        audit(brain, request, "WARNING", "the file has errors, the fleet goes on as it is")
        yield {"outcome": "rejected", "diagnostics": rejected.get("diagnostics", [])}
        return
    brain.try_again()
    audit(brain, request, "INFO", _VERDICTS[verdict])
    changed = [group.name for group in declared.groups if before is None or before.group(group.name) != group]
    async for step in _follow(brain, changed, told, edited=verdict is not Verdict.SAME):
        yield step


async def restarted(brain: Brain, group: str | None, told: int) -> AsyncIterator[dict[str, Any]]:
    """As `reload`, after workers of one group, or of all, were asked to be replaced."""
    desired = brain.desired
    groups = [each.name for each in desired.groups] if desired and group is None else [str(group)]
    async for step in _follow(brain, groups, told, edited=True):
        yield step


async def _follow(
    brain: Brain, concerned: list[str], told: int, *, edited: bool
) -> AsyncIterator[dict[str, Any]]:
    """What happens from the event `told` on, until each group is as it should be or will not get there."""
    asked_at, progress = time.monotonic(), ""
    while True:
        for event in brain.log.after(told):
            told = event.sequence
            yield {"event": event.to_dict()}
        scene, desired = brain.scene, brain.desired
        if scene is not None and desired is not None and scene.now > asked_at:
            # When nothing has changed, then those that are on their way anyway, or have just been sent back.
            concerned = concerned or _unsettled(desired, scene) + list(_rolled_back(brain))
            if outcome := _outcome(brain, desired, scene, concerned):
                unchanged = outcome["outcome"] == "done" and not edited and not concerned
                yield {"outcome": "unchanged"} if unchanged else outcome
                return
            if (text := _progress(desired, scene)) != progress:
                progress = text
                yield {"progress": text}
        await asyncio.sleep(_LOOK_SECONDS)


def _unsettled(desired: Accepted, scene: Scene) -> list[str]:
    return [group.name for group in desired.groups if not standing(group, scene.workers, scene.now).settled]


def _rolled_back(brain: Brain) -> dict[str, str]:
    """Group → why."""
    return {view.group: view.reason for view in brain.rollouts if view.state == "rolled back"}


def _outcome(brain: Brain, desired: Accepted, scene: Scene, concerned: list[str]) -> dict[str, Any] | None:
    """None while there is something to wait for."""
    undone = _rolled_back(brain)
    failed = [{"group": name, "reason": undone[name]} for name in concerned if name in undone]
    open_groups = [name for name in _unsettled(desired, scene) if name in concerned and name not in undone]
    leftover = [
        worker for worker in scene.workers if desired.group(worker.group) is None and not worker.leaving
    ]
    if reason := stuck(desired, scene, open_groups):
        return {"outcome": "failed", "reason": reason}
    if open_groups or leftover:
        return None
    if failed:
        return {"outcome": "rolled back", **failed[0], "groups": failed}
    return {"outcome": "done", "draining": sum(worker.leaving for worker in scene.workers)}


def _progress(desired: Accepted, scene: Scene) -> str:
    """Each group that is not there yet, as in "http 1/2"."""
    parts = []
    for group in desired.groups:
        at = standing(group, scene.workers, scene.now)
        if not at.settled:
            parts.append(f"{group.name} {sum(map(at.available, at.current))}/{group.replicas}")
    return ", ".join(parts)
