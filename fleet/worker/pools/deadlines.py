"""Hard time limits of what pool processes run, each from the moment at which it began."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from fleet.clock import time
from fleet.worker.outcome import Outcome
from fleet.worker.pools.process import PoolProcess
from fleet.worker.reactor import Reactor

_MOST_MISSED = 3  # time limits, one after the other, in which an idle process has not begun what it was sent


class Deadlines:
    """One timer for all.

    `collect` hears what a process has ended; `seclude` does, too, and leaves nothing in it but what it runs;
    `kill` ends it with a verdict on that.
    """

    def __init__(
        self,
        reactor: Reactor,
        processes: Mapping[int, PoolProcess],
        *,
        collect: Callable[[PoolProcess], None],
        seclude: Callable[[PoolProcess], None],
        kill: Callable[[PoolProcess, Outcome], None],
    ) -> None:
        self._reactor = reactor
        self._processes = processes
        self._collect = collect
        self._seclude = seclude
        self._kill = kill
        self._alarm_at = float("inf")

    def look_at(self, moment: float) -> None:
        """Something may be over its limit then, if it begins now."""
        if moment < self._alarm_at:
            self._alarm_at = moment
            self._reactor.call_at(moment, self._look)

    def _look(self) -> None:
        self._alarm_at = float("inf")
        for process in list(self._processes.values()):
            self._collect(process)
            self._look_into(process)

    def _look_into(self, process: PoolProcess) -> None:
        now = time.monotonic()
        current = process.current
        if current is None or process.verdict is not None:
            return
        for sent in process.rest():
            if sent.hard_limit is not None:
                self.look_at(now + sent.hard_limit)  # it has not begun, or just now
        if current.hard_limit is None:
            return
        deadline = process.current_since + current.hard_limit
        if deadline > now:
            self.look_at(deadline)
            return
        before = process.sent
        self._seclude(process)
        if process.current is current:  # else it has ended at the last moment, or had not begun
            self._kill(
                process,
                Outcome(
                    "failed",
                    f"time limit {current.hard_limit:g}s exceeded",
                    hard_limit_seconds=current.hard_limit,
                ),
            )
        elif process.sent < before and process.count == 0:
            process.missed += 1
            if process.missed >= _MOST_MISSED:
                self._kill(process, Outcome("lost", "the process that was to run it has stopped reading"))
