"""Somebody sets the clock back, or forward: nothing is decided by the time of day."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

from fleet.controller.brain import Brain
from fleet.controller.events import EventLog
from fleet.statedir import StateDir
from tests.support import ROOT

# Where the time of day is asked for: stamps for people, and once at the start of a controller.
STAMPS = {
    "controller/brain.py",
    "controller/declaration.py",
    "controller/autoscaler.py",
    "controller/reading.py",
    "supervisor/process.py",
}


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_an_override_lasts_as_long_as_was_said(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    brain = Brain(short_folder / "fleet.toml", None, StateDir(short_folder), EventLog())
    before, real = brain.clock(), time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    assert 0 <= brain.clock() - before < 60


def test_only_stamps_ask_for_the_time_of_day() -> None:
    asking = set()
    for package in ("controller", "supervisor"):
        for file in (ROOT / "fleet" / package).glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Attribute) and ast.unparse(node) == "time.time":
                    asking.add(f"{package}/{file.name}")
    assert asking == STAMPS
