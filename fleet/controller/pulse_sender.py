"""The controller's pulse: tells the other hosts every few seconds, through the broker, how this one is doing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from fleet.broker.open import open_pulses
from fleet.broker.pulses import Pulses
from fleet.controller.observed.queue_stats import in_own_thread
from fleet.fleet_state import FleetState
from fleet.pulse import EVERY_SECONDS, GroupPulse, Pulse, merged
from fleet.spec import BrokerSpec

_GOODBYE_SECONDS = 1.0


class PulseSender:
    """`run` in the event loop, for ever. A broker that takes no pulses is no trouble of the fleet's."""

    def __init__(
        self,
        me: tuple[str, str],
        status: Callable[[], Awaitable[dict[str, Any] | None]],
        effective: Callable[[], FleetState | None],
    ) -> None:
        """`me`: id and name of this host. `status` gives that of the fleet (controller/api/status.py)."""
        self._me = me
        self._status = status
        self._effective = effective
        self._at: tuple[BrokerSpec, str] | None = None
        self._pulses: Pulses | None = None
        self._one_at_a_time = threading.Lock()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            status, effective = await self._status(), self._effective()
            if status is not None and effective is not None:
                await self._beat(status, effective)
            await asyncio.sleep(EVERY_SECONDS)

    async def _beat(self, status: dict[str, Any], effective: FleetState) -> None:
        at = (effective.routing.broker, effective.fleet)
        if at != self._at:
            await self.end()
            self._at = at

        def say_and_hear() -> None:
            with self._one_at_a_time:
                if self._at != at:
                    return  # said goodbye meanwhile
                if self._pulses is None:
                    self._pulses = open_pulses(*at)
                if self._pulses is not None:
                    # Where the broker remembers, who asks it hears of the others by itself.
                    heard = {} if self._pulses.remembers else self._pulses.heard()
                    self._pulses.publish(self._me[0], self._pulse(status, effective, heard).to_json())

        # Whatever a broker's client may raise: the status tells of the broker.
        with suppress(Exception):
            await in_own_thread(say_and_hear)

    def _pulse(
        self,
        status: dict[str, Any],
        effective: FleetState,
        heard: dict[str, tuple[str, float]],
    ) -> Pulse:
        singletons = {group.name for group in effective.groups if group.singleton}
        others = [each for each in merged(heard) if each.pulse is not None]
        return Pulse(
            *self._me,
            status["state"],
            tuple(status["reasons"]),
            status["config"]["revision"],
            tuple(_of_group(group, singletons) for group in status["groups"] if group["here"]),
            {each.id: (each.host, round(each.seconds, 1)) for each in others if each.id != self._me[0]},
        )

    async def end(self) -> None:
        """Say goodbye: who ends on purpose is not missing."""
        self._at = None

        def leave() -> None:
            with self._one_at_a_time:
                pulses, self._pulses = self._pulses, None
                if pulses is not None:
                    pulses.publish(self._me[0], "")
                    pulses.close()

        with suppress(Exception):
            await asyncio.wait_for(in_own_thread(leave), _GOODBYE_SECONDS)


def _of_group(group: dict[str, Any], singletons: set[str]) -> GroupPulse:
    replicas = group["replicas"]
    return GroupPulse(
        group["name"],
        group["revision"],
        replicas["desired"],
        replicas["ready"],
        replicas["failed"],
        group["paused"],
        group["name"] in singletons,
    )
