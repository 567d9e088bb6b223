"""What people may tell a fleet, and what is refused because it would harm it for good: overrides last."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleet.controller.api.commands import CommandRefused, Request, execute
from fleet.controller.log.events import EventLog, iso
from fleet.controller.log.journal import Journal
from fleet.controller.reconciler import Reconciler
from fleet.controller.state.overrides import LONGEST_SECONDS, MOST_REPLICAS, Override, Overrides, shown
from fleet.rules.pools import absurd
from fleet.statedir import StateDir
from tests.unit.controller.world import fleet, group


@pytest.fixture
def reconciler(tmp_path: Path) -> Iterator[Reconciler]:
    state = StateDir(tmp_path)
    made = Reconciler(tmp_path / "fleet.toml", None, state, EventLog(journal=Journal(state.events)))
    made.declaration.go_on_with(fleet(group(replicas=2)))
    yield made


def tell(reconciler: Reconciler, verb: str, **arguments: Any) -> str:
    return execute(reconciler, Request(verb, {"group": "http", **arguments}, actor="alice", pid=7))


def journal(reconciler: Reconciler, tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line)["audit"] for line in (tmp_path / "events.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    "arguments",
    [
        {"replicas": MOST_REPLICAS},
        {"replicas": 99_999_999},
        {"replicas": -1},
        {"replicas": 2.5},
        {"replicas": True},
        {"replicas": 1, "for_seconds": LONGEST_SECONDS * 2},
        {"replicas": 1, "for_seconds": float("inf")},
        {"replicas": 1, "for_seconds": float("nan")},
        {"replicas": 1, "for_seconds": "1h"},
        {"replicas": 1, "reason": ["a"]},
        {"replicas": 1, "reason": "x" * 501},
    ],
)
def test_what_would_harm_it_is_refused_noted_and_not_remembered(
    reconciler: Reconciler, tmp_path: Path, arguments: dict[str, Any]
) -> None:
    with pytest.raises(CommandRefused):
        tell(reconciler, "scale", **arguments)
    assert reconciler.memory.overrides == Overrides()
    assert not (tmp_path / "overrides.json").exists()
    (entry,) = journal(reconciler, tmp_path)
    assert (entry["actor"], entry["verb"], entry["outcome"].startswith("refused: ")) == (
        "alice",
        "scale",
        True,
    )


def test_as_many_as_the_file_may_say_and_as_long_as_can_be_shown(reconciler: Reconciler) -> None:
    assert absurd._REPLICAS[1] == MOST_REPLICAS, "the file is held to the same number"
    said = tell(reconciler, "scale", replicas=MOST_REPLICAS - 1, for_seconds=LONGEST_SECONDS)
    assert said == "http now has 1999 workers for 3650 days"
    assert shown(reconciler.memory.overrides.standing[0], iso)["until"].startswith("20")


def test_a_reason_is_one_line_that_moves_no_cursor(reconciler: Reconciler, tmp_path: Path) -> None:
    tell(reconciler, "pause", reason="a\x1b[2J campaign\n2026-01-01T00:00:00Z INFO fleet bob: all is well")
    reason = reconciler.memory.overrides.standing[0].reason
    assert reason == "a [2J campaign 2026-01-01T00:00:00Z INFO fleet bob: all is well"
    assert len(journal(reconciler, tmp_path)) == 1


def test_a_group_that_became_a_singleton_is_one_whatever_was_said_before() -> None:
    from fleet.controller.state.effective import effective_state
    from fleet.controller.state.revisions import Revisions

    put = Overrides().put(Override("scale", "http", "alice", 0.0, replicas=3))
    lone = replace(group(replicas=1), singleton=True)
    assert effective_state(fleet(lone), Revisions(), put).groups[0].slots == (0,)
