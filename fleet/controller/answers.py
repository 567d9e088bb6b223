"""What the controller tells about itself: the status, and what a file would do. Nothing is changed."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from fleet.controller.brain import Brain
from fleet.controller.draft import Known, draft
from fleet.controller.status import Facts
from fleet.controller.status import status as as_json


async def plan(brain: Brain, file: Path | None, env: str | None) -> dict[str, Any]:
    """What `file` (None: ours) would do; read here, where the variables are that it names."""
    memory, reports = brain.memory, dict(brain.workers.reports)
    known = Known(
        brain.declaration.accepted,
        await brain.snapshot(),
        memory.ledger,
        memory.overrides,
        reports,
        brain.autoscaler.slots,
    )
    return await asyncio.to_thread(draft, file or brain.file, env, known)


async def status(brain: Brain) -> dict[str, Any] | None:
    """The contract's JSON; None as long as this controller has not got its bearings."""
    if brain.scene is None or brain.desired is None:
        return None
    numbers = await brain.queues.latest(brain.desired.routing)
    declared = brain.declaration.accepted
    assert declared is not None, "there is no desired state without it"
    facts = Facts(
        file=str(brain.file),
        revision=declared.revision,
        desired=brain.desired,
        overrides=brain.memory.overrides,
        scene=brain.scene,
        rejected=brain.declaration.rejected,
        rollouts=brain.rollouts,
        queues=numbers,
        scaling={group.name: brain.autoscaler.shown(group) for group in brain.desired.groups},
        broker_error=brain.queues.error,
    )
    return as_json(facts)
