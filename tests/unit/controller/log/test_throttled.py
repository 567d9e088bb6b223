"""What goes wrong in every look is not told in every look."""

from __future__ import annotations

import time

import pytest

from fleet.controller.log.events import EventLog
from fleet.controller.log.throttled import Throttled


def test_a_complaint_is_told_once_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    log = EventLog()
    told: list[str] = []
    monkeypatch.setattr(log, "error", told.append)
    complaining = Throttled(log)
    for message, seconds in (("full", 30), ("full", 20), ("gone", 20), ("full", 0), ("gone", 0)):
        complaining.add(message)
        now[0] += seconds
    assert told == ["full", "gone", "full"]
