"""The states of a worker, and the one gate through which they change."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum

from fleet.control import State


class GateEvent(Enum):
    UP = "connected, consuming, pool up"
    DRAIN = "told to end"
    DONE = "nothing left to do"


_ARCS: dict[tuple[State, GateEvent], State] = {
    ("starting", GateEvent.UP): "ready",
    ("starting", GateEvent.DRAIN): "draining",
    ("starting", GateEvent.DONE): "exited",
    ("ready", GateEvent.DRAIN): "draining",
    ("draining", GateEvent.DONE): "exited",
}


def advance(state: State, event: GateEvent) -> State:
    """The state after `event`; the same one where the event means nothing."""
    return _ARCS.get((state, event), state)


class Gate:
    """Holds the state; `changed` is called after each change, in the loop's thread."""

    def __init__(self, changed: Callable[[], None] = lambda: None) -> None:
        self.state: State = "starting"
        self.changed = changed

    def advance(self, event: GateEvent) -> bool:
        """Whether the event changed the state."""
        before, self.state = self.state, advance(self.state, event)
        if self.state != before:
            self.changed()
        return self.state != before
