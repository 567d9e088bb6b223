"""The states of a worker: each arc by its event, and nothing else changes them."""

from __future__ import annotations

import pytest

from fleet.control import State
from fleet.worker.state import Gate, GateEvent, advance


@pytest.mark.parametrize(
    ("state", "event", "after"),
    [
        ("starting", GateEvent.UP, "ready"),
        ("starting", GateEvent.DRAIN, "draining"),
        ("starting", GateEvent.DONE, "exited"),
        ("ready", GateEvent.DRAIN, "draining"),
        ("draining", GateEvent.DONE, "exited"),
        ("ready", GateEvent.UP, "ready"),
        ("draining", GateEvent.UP, "draining"),
        ("draining", GateEvent.DRAIN, "draining"),
        ("exited", GateEvent.UP, "exited"),
        ("exited", GateEvent.DRAIN, "exited"),
    ],
)
def test_a_state_changes_by_its_events_only(state: State, event: GateEvent, after: State) -> None:
    assert advance(state, event) == after


def test_a_gate_tells_of_each_change_once() -> None:
    heard: list[str] = []
    gate = Gate(lambda: heard.append(gate.state))
    assert gate.advance(GateEvent.UP)
    assert not gate.advance(GateEvent.UP)
    assert gate.advance(GateEvent.DRAIN)
    assert heard == ["ready", "draining"]
