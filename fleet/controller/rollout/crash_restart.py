"""The restart at once of workers that have crashed: for those that were fine, and died of what they ran.

The supervisor waits longer after each crash (supervisor/backoff.py), for a program that can't work won't work a
moment later. A worker that had been ready and had begun something was well; what it held is counted by then and will
be run alone, so that waiting helps nobody, and holds up all that lies behind a killer. Pure but for its counts.
"""

from __future__ import annotations

from collections.abc import Iterator

from fleet.control import Report
from fleet.controller.observed.observe import Observation, SeenWorker
from fleet.launch_specs import Exit
from fleet.supervisor.client import Program

# In a row, without one success in between: where everything kills (a broken library, too little memory) the queue is
# not to be carried to the dead letters at full speed.
MOST_IN_A_ROW = 50

_WAITING = ("backoff", "failed")


class CrashRestarts:
    """Belongs to the event loop."""

    def __init__(self) -> None:
        self._in_a_row: dict[str, int] = {}  # by program
        self._seen: dict[str, float] = {}  # by program: the exit that was judged last, POSIX seconds

    def due(self, observation: Observation) -> Iterator[tuple[SeenWorker, str]]:
        """Workers that wait for their next start and need not, each once per exit; and why."""
        for worker in observation.workers:
            program = observation.programs[worker.name]
            last = program.last_exit
            if last is None or program.state not in _WAITING or self._seen.get(worker.name) == last.at:
                continue
            self._seen[worker.name] = last.at
            why = self._judge(worker, program, _last_report(worker, observation))
            if why is not None:
                yield worker, why
        self._forget_all_but(observation)

    def _judge(self, worker: SeenWorker, program: Program, report: Report | None) -> str | None:
        last = program.last_exit
        if report is None or last is None or last.code == Exit.BOOT_FAILED or last.reason is not None:
            return None
        if report.state == "starting" or not (report.in_flight or _ended(report)):
            return None
        before = 0 if report.succeeded else self._in_a_row.get(worker.name, 0)
        self._in_a_row[worker.name] = before + 1
        if before >= MOST_IN_A_ROW:
            return None
        return (
            f"{report.alone} ran alone"
            if report.alone
            else f"it was ready, and had {report.in_flight} in flight"
        )

    def _forget_all_but(self, observation: Observation) -> None:
        for name in set(self._seen) - set(observation.programs):
            del self._seen[name]
            self._in_a_row.pop(name, None)


def _ended(report: Report) -> int:
    return report.succeeded + report.failed + report.retried


def _last_report(worker: SeenWorker, observation: Observation) -> Report | None:
    """Of the process that has ended: it may have lived between two looks only, so that nobody knows its pid."""
    alive = {program.pid for program in observation.programs.values()}
    its = [
        each
        for pid, each in observation.reports.items()
        if pid not in alive and each.report.worker == worker.worker
    ]
    latest = max(its, key=lambda each: each.at, default=None)
    return latest.report if latest else None
