"""Tells systemd, through the supervisor, whether the fleet is ready, and again after each reload."""

from __future__ import annotations

from contextlib import suppress

from fleet.controller.observed.observe import Observation, State
from fleet.fleet_state import FleetState
from fleet.supervisor.client import SupervisorClient


class Announcer:
    """`asked` counts how often somebody asked for a look at the file: each wants a word that it is done."""

    def __init__(self, supervisor: SupervisorClient) -> None:
        self.asked = 0
        self._supervisor = supervisor
        self._ready = False
        self._said: tuple[str, int] | None = None

    def tell(self, effective: FleetState, observation: Observation) -> None:
        """If there is something new. Blocks shortly.

        Ready once each slot that wants a worker has had one at work; systemd knows no way back from there.
        """
        ready, wanted = at_work(effective, observation)
        self._ready |= ready == wanted
        new = (f"{ready} of {wanted} workers ready", self.asked)
        if new != self._said:
            self._said = new
            # A supervisor that was started before the last upgrade may not know how.
            with suppress(OSError, ValueError):
                self._supervisor.announce(new[0], ready=self._ready)


def at_work(effective: FleetState, observation: Observation) -> tuple[int, int]:
    """How many slots have a worker at work, of whatever revision, and how many want one."""
    busy = {(worker.group, worker.replica) for worker in observation.workers if worker.state is State.READY}
    slots = [(group.name, slot) for group in effective.groups for slot in group.slots]
    return sum(slot in busy for slot in slots), len(slots)
