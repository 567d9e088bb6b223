"""Groups whose slots are all taken by tasks that don't end, while messages wait behind them.

Nothing is wrong with such a worker, and it is not replaced: a task may run for hours. But nobody gets on, and nobody
would be told. How long is too long depends on what is usual in the group: on how long its tasks have taken, and on
its time limit. See docs/decisions/0053.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from fleet.broker.open import queue_stats
from fleet.control import Report
from fleet.controller.observed.observe import Observation, State
from fleet.controller.observed.waiting_messages import Ask, keep_looking, ready_in
from fleet.duration_words import roughly
from fleet.fleet_state import FleetState, Group

# Nothing has begun or ended for so long, at least…
STILL_SECONDS = 120.0
# …and for several times what the group's tasks take on average…
USUAL_TIMES = 5.0
# …while messages were seen waiting each time that the queues were asked.
LOOKS = 4


def patience(group: Group, reports: list[Report]) -> float:
    """Seconds for which all slots may be taken before that is worth telling."""
    ran = [totals for report in reports for totals in report.tasks.values()]
    count, wall = sum(each[0] for each in ran), sum(each[1] for each in ran)
    usual = wall / count if count else 0.0
    return max(STILL_SECONDS, USUAL_TIMES * usual, group.spec.time_limit_seconds or 0.0)


def youngest(group: Group, reports: list[Report]) -> float | None:
    """For how long all slots of all workers have been taken by the same tasks; None: there is room, or news."""
    full = all(report.concurrency and report.in_flight >= report.concurrency for report in reports)
    if not reports or not full:
        return None
    still = min(report.still_seconds for report in reports)
    return still if still >= patience(group, reports) else None


class HeldUpGroups:
    """`reasons` says which groups are held up, and why. Belongs to the event loop."""

    def __init__(self, ask: Ask = queue_stats) -> None:
        self._ask = ask
        self._looks: dict[str, int] = {}  # by group: how often messages waited, in a row
        self.reasons: Mapping[str, str] = {}

    async def watch(
        self, observation: Callable[[], Observation | None], effective: Callable[[], FleetState | None]
    ) -> None:
        """For ever."""
        await keep_looking(self.look, observation, effective)

    async def look(self, observation: Observation, effective: FleetState) -> None:
        still = dict(_still(observation, effective))
        queues = [queue for group, _ in still.values() for queue in group.spec.queues]
        ready = await ready_in(queues, effective.routing, self._ask)
        before, self._looks = self._looks, {}
        reasons = {}
        for name, (group, seconds) in still.items():
            full = next((queue.name for queue in group.spec.queues if ready.get(queue.name)), None)
            if full is None:
                continue
            self._looks[name] = before.get(name, 0) + 1
            if self._looks[name] >= LOOKS:
                reasons[name] = _reason(full, ready[full], seconds)
        self.reasons = reasons


def _still(observation: Observation, effective: FleetState) -> Iterator[tuple[str, tuple[Group, float]]]:
    for group in effective.groups:
        mine = [
            each for each in observation.workers if each.group == group.name and each.state is State.READY
        ]
        reports = [report for each in mine if (report := observation.report(each)) is not None]
        if (seconds := youngest(group, reports)) is not None:
            yield group.name, (group, seconds)


def _reason(queue: str, count: int, seconds: float) -> str:
    what = "1 message waits" if count == 1 else f"{count} messages wait"
    return (
        f"all slots are held by tasks that have run for {roughly(seconds)} or longer, and {what} in queue {queue!r}: "
        "a time_limit would end them"
    )
