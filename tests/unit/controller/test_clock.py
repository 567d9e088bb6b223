"""Somebody sets the clock back, or forward: nothing is decided by the time of day."""

from __future__ import annotations

import ast
import time
from pathlib import Path

import pytest

from fleet.controller.log.events import EventLog
from fleet.controller.reconciler import Reconciler
from fleet.statedir import StateDir
from tests.support import ROOT

# Where the time of day is asked for: stamps for people, once at the start of a controller, and what schedules go by.
STAMPS = {
    "controller/api/answers.py",
    "controller/api/schedules.py",
    "controller/reconciler.py",
    "controller/declared/declaration.py",
    "controller/log/failures.py",
    "controller/autoscale/autoscaler.py",
    "config/resolve_groups.py",
    "controller/history/history.py",  # points have the time of day
    "controller/history/keeping.py",
    "controller/api/seeing.py",
    "controller/alerts/alerting.py",  # when it fired; how long is by the other clock
    "controller/alerts/notification.py",
    "supervisor/process.py",
}


@pytest.mark.parametrize("jump", [-86400.0, 86400.0])
def test_an_override_lasts_as_long_as_was_said(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    reconciler = Reconciler(short_folder / "fleet.toml", None, StateDir(short_folder), EventLog())
    before, real = reconciler.clock(), time.time
    monkeypatch.setattr(time, "time", lambda: real() + jump)
    assert 0 <= reconciler.clock() - before < 60


def test_only_stamps_ask_for_the_time_of_day() -> None:
    asking = set()
    for package in ("config", "controller", "supervisor"):
        for file in (ROOT / "fleet" / package).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Attribute) and ast.unparse(node) == "time.time":
                    asking.add(str(file.relative_to(ROOT / "fleet")))
    assert asking == STAMPS
