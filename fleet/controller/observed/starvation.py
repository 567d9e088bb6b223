"""Workers that live, and take nothing although messages wait for them.

No worker can tell by itself: it has waited for long, and says so, but whether it should have got something only
the queues know. They are asked while somebody has waited for long, and several times: between two looks of the
broker's a message may lie in a queue that is being taken in this moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from fleet.broker.open import is_leased, queue_stats
from fleet.broker.urls import scheme
from fleet.controller.observed.observe import Observation, State
from fleet.controller.observed.waiting_messages import Ask, keep_looking, ready_in
from fleet.fleet_state import FleetState
from fleet.spec import QueueSpec

IDLE_SECONDS = 60.0
LOOKS = 3


class Starving:
    """`reasons` says which programs shall be replaced, and why. Belongs to the event loop."""

    def __init__(self, ask: Ask = queue_stats) -> None:
        self._ask = ask
        self._looks: dict[tuple[str, int], int] = {}  # (program, pid): how often it got nothing, in a row
        self.reasons: Mapping[str, str] = {}

    async def watch(
        self, observation: Callable[[], Observation | None], effective: Callable[[], FleetState | None]
    ) -> None:
        """For ever."""
        await keep_looking(self.look, observation, effective)

    async def look(self, observation: Observation, effective: FleetState) -> None:
        waiting = dict(_long_idle(observation, effective))
        queues = [queue for some in waiting.values() for queue in some]
        self._judge(observation, waiting, await ready_in(queues, effective.routing, self._ask))

    def _judge(
        self, observation: Observation, waiting: dict[tuple[str, int], list[QueueSpec]], ready: dict[str, int]
    ) -> None:
        before, self._looks = self._looks, {}
        reasons = {name: reason for name, reason in self.reasons.items() if name in observation.programs}
        for worker, queues in waiting.items():
            if full := next((queue.name for queue in queues if ready.get(queue.name)), None):
                looks = self._looks[worker] = before.get(worker, 0) + 1
                if looks >= LOOKS:
                    count = ready[full]
                    reasons[worker[0]] = f"it has taken nothing for long, and {count} wait in queue {full!r}"
        self.reasons = reasons


def _long_idle(
    observation: Observation, effective: FleetState
) -> Iterator[tuple[tuple[str, int], list[QueueSpec]]]:
    """Workers that have waited for long (a paused one does not), and the queues that each should consume."""
    broker = effective.routing.broker
    if not (is_leased(broker.url) or scheme(broker.url) == "amqp"):
        return  # what kombu counts there may be with other workers
    for worker in observation.workers:
        group, report = effective.group(worker.group), observation.report(worker)
        if group is None or report is None or worker.state is not State.READY or worker.absorbed:
            continue
        if report.idle_seconds >= IDLE_SECONDS:
            queues = [each for each in group.spec.queues if each.name not in group.paused]
            yield (worker.name, worker.pid), [each for each in queues if not _has_one_consumer(each)]


def _has_one_consumer(queue: QueueSpec) -> bool:
    """On RabbitMQ: the others stand by, whatever waits."""
    return bool(queue.arguments.get("x-single-active-consumer"))
