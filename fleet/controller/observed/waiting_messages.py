"""The messages that wait in queues, asked of the broker by those who judge workers and groups by them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import replace

from fleet.broker.stats import QueueStats
from fleet.controller.observed.observe import Observation
from fleet.controller.observed.queue_stats import in_own_thread
from fleet.fleet_state import FleetState
from fleet.spec import QueueSpec, RoutingSpec

Ask = Callable[[RoutingSpec], list[QueueStats]]

_EVERY_SECONDS = 10.0


async def keep_looking(
    look: Callable[[Observation, FleetState], Awaitable[None]],
    observation: Callable[[], Observation | None],
    effective: Callable[[], FleetState | None],
) -> None:
    """For ever; whoever acts on what is found looks again every few seconds anyway."""
    while True:
        await asyncio.sleep(_EVERY_SECONDS)
        seen, fleet = observation(), effective()
        if seen is not None and fleet is not None:
            await look(seen, fleet)


async def ready_in(queues: Iterable[QueueSpec], routing: RoutingSpec, ask: Ask) -> dict[str, int]:
    """By queue, how many messages are ready; {} where the broker can't be asked, which is told elsewhere."""
    wanted = {queue.name: queue for queue in queues}
    if not wanted:
        return {}
    routing = replace(routing, queues=tuple(wanted.values()))
    try:
        numbers = await in_own_thread(lambda: ask(routing))
    except Exception:  # whatever a broker's client may raise
        return {}
    return {each.name: each.ready or 0 for each in numbers}
