"""What `fleet reload` says when the file had been seen before it asked."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

from fleet.controller import reloading
from fleet.controller.observe import Scene
from fleet.controller.progress import RolloutView
from fleet.supervisor.client import Snapshot
from tests.unit.controller.world import fleet, group, worker


def follow(*rollouts: RolloutView) -> dict[str, Any]:
    """The last step of a reload that itself changed nothing, in a fleet whose old workers are at work."""
    old = group("http", 1, version=1)
    later = time.monotonic() + 60
    scene = Scene(Snapshot(1, 1, 0.0, False), (worker(0, of=old),), {}, {}, later)
    log = SimpleNamespace(after=lambda _: [])
    brain: Any = SimpleNamespace(log=log, scene=scene, desired=fleet(old), rollouts=list(rollouts))

    async def steps() -> list[dict[str, Any]]:
        return [step async for step in reloading._follow(brain, [], 0, edited=False)]

    return asyncio.run(steps())[-1]


def test_nothing_to_do() -> None:
    assert follow() == {"outcome": "unchanged"}


def test_a_rollout_that_failed_before_anybody_could_look_is_no_success() -> None:
    step = follow(RolloutView("http", "rolled back", "no good"))
    assert (step["outcome"], step["group"], step["reason"]) == ("rolled back", "http", "no good")
