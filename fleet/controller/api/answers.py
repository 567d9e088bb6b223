"""The answers of the controller about itself: the status, and what a file would do. Nothing is changed."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from fleet.controller.api.preview import Known, draft, of_text
from fleet.controller.api.status import StatusFacts
from fleet.controller.api.status import status as as_json
from fleet.controller.observed.schedules import read_known
from fleet.controller.reconciler import Reconciler


async def plan(reconciler: Reconciler, file: Path | None, env: str | None) -> dict[str, Any]:
    """What `file` (None: ours) would do; read here, where the variables are that it names.

    `env` None: the environment that this fleet runs with.
    """
    return await asyncio.to_thread(
        draft, file or reconciler.file, env or reconciler.declaration.env, await _known(reconciler)
    )


async def plan_of_text(reconciler: Reconciler, text: str) -> dict[str, Any]:
    """What a pasted draft would do in place of our file."""
    known = await _known(reconciler)
    return await asyncio.to_thread(of_text, text, reconciler.file, reconciler.declaration.env, known)


async def _known(reconciler: Reconciler) -> Known:
    memory, reports = reconciler.memory, dict(reconciler.workers.reports)
    return Known(
        reconciler.declaration.accepted,
        await reconciler.snapshot(),
        memory.revisions,
        memory.overrides,
        reports,
        reconciler.autoscaler.slots,
    )


async def status(reconciler: Reconciler, *, with_queues: bool = True) -> dict[str, Any] | None:
    """The contract's JSON; None as long as this controller has not got its bearings. Only queues ask the broker."""
    if reconciler.observation is None or reconciler.effective is None:
        return None
    numbers = await reconciler.queues.latest(reconciler.effective.routing) if with_queues else []
    declared = reconciler.declaration.accepted
    assert declared is not None, "there is nothing effective without it"
    has_clock = declared.schedules or declared.beat_app
    known = await asyncio.to_thread(read_known, reconciler.state.schedules_known) if has_clock else {}
    facts = StatusFacts(
        file=str(reconciler.file),
        revision=declared.revision,
        effective=reconciler.effective,
        overrides=reconciler.memory.overrides,
        observation=reconciler.observation,
        rejected=reconciler.declaration.rejected,
        remarks=reconciler.declaration.remarks,
        rollouts=reconciler.rollouts,
        queues=numbers,
        scaling={group.name: reconciler.autoscaler.shown(group) for group in reconciler.effective.groups},
        broker_error=reconciler.queues.error,
        held_up=reconciler.held_up.reasons,
        broker_alarm=reconciler.queues.alarm,
        failures=reconciler.failures.shown(),
        schedules=known,
        now=time.time(),
    )
    return as_json(facts)


def route(reconciler: Reconciler, task: str) -> dict[str, Any] | None:
    """Where [[routes]] in force send `task`; None before there are any. The router of a Celery app is not asked."""
    from fleet.broker.router import Router

    if reconciler.effective is None:
        return None
    found = Router(reconciler.effective.routing.routes).match(task)
    rule = None if found is None else {"index": found.index, "pattern": found.pattern}
    return {
        "task": task,
        "queue": found.queue if found else None,
        "priority": found.priority if found else None,
        "rule": rule,
    }
