"""What `fleet reload` says when the file had been seen before it asked."""

from __future__ import annotations

import asyncio
import time
from types import SimpleNamespace
from typing import Any

from fleet.controller.api import reload as reloading
from fleet.controller.observed.observe import Observation
from fleet.controller.rollout.progress import RolloutView
from fleet.supervisor.client import Snapshot
from tests.unit.controller.world import fleet, group, worker


def follow(*rollouts: RolloutView, undone: tuple[str, ...] = ()) -> dict[str, Any]:
    """The last step of a reload that itself changed nothing, in a fleet whose old workers are at work."""
    old = group("http", 1, version=1)
    later = time.monotonic() + 60
    observation = Observation(Snapshot(1, 1, 0.0, False), (worker(0, of=old),), {}, {}, later)
    log = SimpleNamespace(after=lambda _: [])
    failures = SimpleNamespace(concerning=lambda _groups: list(undone))
    reconciler: Any = SimpleNamespace(
        log=log, observation=observation, effective=fleet(old), rollouts=list(rollouts), failures=failures
    )

    async def steps() -> list[dict[str, Any]]:
        return [step async for step in reloading._follow(reconciler, [], 0, edited=False)]

    return asyncio.run(steps())[-1]


def test_reload_of_an_unchanged_file_says_so_at_once() -> None:
    assert follow() == {"outcome": "unchanged"}


def test_what_could_not_be_written_is_no_success() -> None:
    step = follow(undone=("could not write down what is accepted: the disk is full",))
    assert step == {"outcome": "failed", "reason": "could not write down what is accepted: the disk is full"}


def test_a_rollout_that_failed_before_anybody_could_look_is_no_success() -> None:
    step = follow(RolloutView("http", "rolled back", "no good"))
    assert (step["outcome"], step["group"], step["reason"]) == ("rolled back", "http", "no good")
