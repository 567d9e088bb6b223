"""One group's number of workers, decided by the autoscaler's own function from what its workers say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fleet.broker.stats import QueueStats
from fleet.control import Report
from fleet.controller.autoscale.decision import Decision, begin, decide
from fleet.controller.autoscale.need import Limits, ObservedLoad, ScalerState
from fleet.controller.autoscale.slots import SlotLoad
from fleet.fleet_state import Group


class GroupScaler:
    """Keeps what is remembered from one decision to the next; a new one goes on from the workers that are there."""

    def __init__(self, group: Group) -> None:
        assert group.autoscale is not None
        self.group = group
        self._policy = group.autoscale
        self._state: ScalerState | None = None
        self._totals = WorkerTotals()
        self.latest: Decision | None = None

    def step(self, reports: Mapping[str, Report], queues: Mapping[str, QueueStats], now: float) -> Decision:
        """`reports` by worker, `queues` by name, those that the broker has told of lately. `now` is monotonic."""
        self._totals.read(reports)
        return self.decide(self._load(reports, queues), now, present=len(reports))

    def decide(self, load: ObservedLoad, now: float, present: int = 0) -> Decision:
        """About once a second."""
        if self._state is None:
            self._state = begin(self._policy, range(present), now)
        # How much room there is in the cluster is the engine's affair.
        limits = Limits(self.group.spec.slots, self.group.spec.grace_period_seconds)
        self.latest = decide(self._policy, limits, load, self._state, now)
        self._state = self.latest.scaler
        return self.latest

    def _load(self, reports: Mapping[str, Report], queues: Mapping[str, QueueStats]) -> ObservedLoad:
        names = [queue.name for queue in self.group.spec.queues]
        known = [queues[name] for name in names if name in queues]
        complete = len(known) == len(names)
        return ObservedLoad(
            waiting=_sum([each.ready for each in known]) if complete else None,
            held=_sum([each.unacked for each in known]) if complete else None,
            done=self._totals.done,
            busy_seconds=self._totals.busy_seconds,
            # The engine chooses which of them goes, and so the numbers are only names here.
            slots=tuple(
                SlotLoad(number, report.in_flight, report.state == "ready")
                for number, (_, report) in enumerate(sorted(reports.items()))
            ),
            oldest_seconds=max((each.oldest_seconds or 0.0 for each in known), default=None) or None,
        )


class WorkerTotals:
    """What all workers have done together, as numbers that only grow while workers come and go."""

    def __init__(self) -> None:
        self.done = 0
        self.busy_seconds = 0.0
        self._seen: dict[str, tuple[int, float]] | None = None

    def read(self, reports: Mapping[str, Report]) -> None:
        """To be called often; what a worker had done before it was first seen does not count at the first look."""
        latest = {name: _of(report) for name, report in reports.items()}
        for name, (done, busy) in latest.items():
            before = (done, busy) if self._seen is None else self._seen.get(name, (0, 0.0))
            if done < before[0]:
                before = (0, 0.0)  # another process of that name
            self.done += done - before[0]
            self.busy_seconds += max(0.0, busy - before[1])
        self._seen = {**(self._seen or {}), **latest} if len(self._seen or {}) < _MOST_NAMES else latest


_MOST_NAMES = 10_000
"""Workers of which is remembered what they have done: one that can't be reached for a moment comes back."""


def _of(report: Report) -> tuple[int, float]:
    counts = report.tasks.values()
    return int(sum(each[0] for each in counts)), sum(each[1] for each in counts)


def _sum(numbers: Sequence[int | None]) -> int | None:
    """None as soon as one of them is not known."""
    return None if None in numbers else sum(each for each in numbers if each is not None)
