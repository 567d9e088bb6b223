"""The counters of a group: what all its workers have done, as numbers that only grow while workers come and go."""

from __future__ import annotations

from collections import defaultdict

from fleet.control import Report
from fleet.controller.observed.observe import Observation


class Counters:
    """Workers count since their start; what ends within the last second of one may be missed."""

    def __init__(self) -> None:
        self._seen: dict[int, tuple[int, float]] = {}
        self._groups: dict[str, tuple[int, float]] = defaultdict(lambda: (0, 0.0))
        self._first = True

    def of(self, group: str) -> tuple[int, float]:
        """Tasks that ended, and the seconds that they took."""
        return self._groups[group]

    def read(self, observation: Observation) -> None:
        """To be called often: what grew since the last time is added."""
        latest: dict[int, tuple[int, float]] = {}
        for worker in observation.workers:
            report = observation.report(worker)
            if report is None:
                continue
            done, busy = latest[report.pid] = totals(report)
            # What workers did before there was this controller is of no interest.
            before = self._seen.get(report.pid, (done, busy) if self._first else (0, 0.0))
            so_far = self._groups[worker.group]
            self._groups[worker.group] = (
                so_far[0] + max(0, done - before[0]),
                so_far[1] + max(0.0, busy - before[1]),
            )
        self._seen, self._first = latest, False


def totals(report: Report) -> tuple[int, float]:
    counts = report.tasks.values()
    return int(sum(each[0] for each in counts)), sum(each[1] for each in counts)
