"""All slots taken by tasks that don't end, while messages wait: told after a while, and only then."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from fleet.broker.stats import QueueStats
from fleet.control import Report
from fleet.controller.observed.held_up_groups import LOOKS, STILL_SECONDS, HeldUpGroups
from fleet.controller.observed.observe import LatestReport, Observation, observe
from fleet.supervisor.client import Program, Snapshot
from tests.unit.controller.world import fleet, group

LABELS = {"role": "worker", "replica": 0, "serial": 1, "revision": "r"}
FULL: dict[str, Any] = {"concurrency": 1, "in_flight": 1, "still_seconds": STILL_SECONDS}


def observation(**report: Any) -> Observation:
    program = Program("http", "0.1", "running", 7, 0.0, 50.0, 0, None, None, labels=LABELS)
    reports = {7: LatestReport(Report("http/0", 7, "r", "ready", **report), 50.0, 1.0)}
    snapshot = Snapshot(1, 1, 1.0, stopping=False, programs=(program,))
    return observe(snapshot, reports, listening_since=0.0, now=50.0)


def reasons(seen: Observation, *, ready: int = 37, looks: int = LOOKS, **spec: Any) -> dict[str, str]:
    mine = group(replicas=1)
    effective = fleet(replace(mine, spec=replace(mine.spec, **spec)))
    held = HeldUpGroups(lambda _routing: [QueueStats("q", ready)])
    for _ in range(looks):
        asyncio.run(held.look(seen, effective))
    return dict(held.reasons)


def test_a_group_is_held_up_when_nothing_gets_on_and_messages_wait() -> None:
    [reason] = reasons(observation(**FULL)).values()
    assert "all slots are held by tasks that have run for 2 min or longer, and 37 messages wait" in reason
    assert "time_limit" in reason


def test_a_group_is_not_held_up_before_messages_have_waited_for_a_while() -> None:
    assert not reasons(observation(**FULL), looks=LOOKS - 1)


def test_a_group_is_not_held_up_when_nothing_waits_or_a_slot_is_free_or_something_has_just_begun() -> None:
    assert not reasons(observation(**FULL), ready=0)
    assert not reasons(observation(**{**FULL, "concurrency": 2}))
    assert not reasons(observation(**{**FULL, "still_seconds": STILL_SECONDS - 1}))


def test_a_group_is_not_held_up_where_tasks_usually_take_that_long_or_have_a_limit() -> None:
    assert not reasons(observation(**FULL, tasks={"shop.film": [4, 400.0, 1.0]}))
    assert not reasons(observation(**FULL), time_limit_seconds=3600.0)
    assert reasons(observation(**{**FULL, "still_seconds": 4000.0}), time_limit_seconds=3600.0)


def test_a_worker_of_before_says_none_of_it_and_is_never_held_up() -> None:
    assert not reasons(observation(concurrency=1, in_flight=1))
