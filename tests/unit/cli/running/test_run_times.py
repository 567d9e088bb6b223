"""What runs of schedules take: counted by workers, else as the scheduler's file has it of the last one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fleet.cli.running import run_times as module
from fleet.cli.running.run_times import run_times
from fleet.config.load import load
from fleet.config.model import Fleet
from fleet.config.resolve import state_dir
from fleet.telemetry import SUCCEEDED, WALL, nothing

FILE = """\
[fleet]
app = "shop"
[queues.q]
[[routes]]
task = "*"
queue = "q"
[workers.w]
queues = ["q"]
pool = "solo"
[[schedules]]
name = "counted"
task = "shop.counted"
every = "1m"
[[schedules]]
name = "last"
task = "shop.last"
every = "1m"
[[schedules]]
name = "new"
task = "shop.new"
every = "1m"
"""


def loaded(folder: Path) -> Fleet:
    (folder / "fleet.toml").write_text(FILE)
    fleet = load(folder / "fleet.toml").fleet
    assert fleet is not None
    return fleet


def test_what_was_counted_goes_before_the_last_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fleet = loaded(tmp_path)
    known = state_dir(fleet).schedules_known
    known.parent.mkdir(parents=True, exist_ok=True)
    ends: dict[str, Any] = {name: {"end": {"seconds": 9}} for name in ("counted", "last")}
    known.write_text(json.dumps({"schedules": {**ends, "new": {"end": None}}}))
    counts = nothing()
    counts[SUCCEEDED], counts[WALL] = 4, 10.0
    monkeypatch.setattr(module, "numbers_of_tasks", lambda _state, _seconds: {("q", "shop.counted"): counts})
    found = {name: (each.known, each.seconds) for name, each in run_times(fleet).items()}
    assert found == {"counted": (4, 2.5), "last": (1, 9.0)}


def test_nothing_is_known_of_a_fleet_that_never_ran(tmp_path: Path) -> None:
    assert run_times(loaded(tmp_path)) == {}
