"""Workers that live, and take nothing although messages wait for them.

No worker can tell by itself: it has waited for long, and says so, but whether it should have got something only
the queues know. They are asked while somebody has waited for long, and several times: between two looks of the
broker's a message may lie in a queue that is being taken in this moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from fleet.broker.stats import QueueStats, queue_stats
from fleet.broker.stores import is_leased
from fleet.broker.urls import scheme
from fleet.controller.desired import Accepted
from fleet.controller.observe import Scene, State
from fleet.controller.queues import in_own_thread
from fleet.spec import QueueSpec, RoutingSpec

IDLE_SECONDS = 60.0
LOOKS = 3
_EVERY_SECONDS = 10.0


class Starving:
    """`reasons` says which programs shall be replaced, and why. Belongs to the event loop."""

    def __init__(self, ask: Callable[[RoutingSpec], list[QueueStats]] = queue_stats) -> None:
        self._ask = ask
        self._looks: dict[tuple[str, int], int] = {}  # (program, pid): how often it got nothing, in a row
        self.reasons: Mapping[str, str] = {}

    async def watch(self, scene: Callable[[], Scene | None], desired: Callable[[], Accepted | None]) -> None:
        """For ever; who acts on `reasons` looks again every few seconds anyway."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            seen, fleet = scene(), desired()
            if seen is not None and fleet is not None:
                await self.look(seen, fleet)

    async def look(self, scene: Scene, desired: Accepted) -> None:
        waiting = dict(_long_idle(scene, desired))
        numbers: list[QueueStats] = []
        if waiting:
            wanted = {queue.name: queue for queues in waiting.values() for queue in queues}
            routing = replace(desired.routing, queues=tuple(wanted.values()))
            try:
                numbers = await in_own_thread(lambda: self._ask(routing))
            except Exception:
                numbers = []  # whatever a broker's client may raise: that is no trouble of a worker's
        self._judge(scene, waiting, {each.name: each.ready or 0 for each in numbers})

    def _judge(
        self, scene: Scene, waiting: dict[tuple[str, int], list[QueueSpec]], ready: dict[str, int]
    ) -> None:
        before, self._looks = self._looks, {}
        reasons = {name: reason for name, reason in self.reasons.items() if name in scene.programs}
        for worker, queues in waiting.items():
            if full := next((queue.name for queue in queues if ready.get(queue.name)), None):
                looks = self._looks[worker] = before.get(worker, 0) + 1
                if looks >= LOOKS:
                    count = ready[full]
                    reasons[worker[0]] = f"it has taken nothing for long, and {count} wait in queue {full!r}"
        self.reasons = reasons


def _long_idle(scene: Scene, desired: Accepted) -> Iterator[tuple[tuple[str, int], list[QueueSpec]]]:
    """Workers that have waited for long (a paused one does not), and the queues that each should consume."""
    broker = desired.routing.broker
    if not (is_leased(broker.url) or scheme(broker.url) == "amqp"):
        return  # what kombu counts there may be with other workers
    for worker in scene.workers:
        group, report = desired.group(worker.group), scene.report(worker)
        if group is None or report is None or worker.state is not State.READY or worker.absorbed:
            continue
        if report.idle_seconds >= IDLE_SECONDS:
            queues = [each for each in group.spec.queues if each.name not in group.paused]
            yield (worker.name, worker.pid), [each for each in queues if not _has_one_consumer(each)]


def _has_one_consumer(queue: QueueSpec) -> bool:
    """On RabbitMQ: the others stand by, whatever waits."""
    return bool(queue.arguments.get("x-single-active-consumer"))
