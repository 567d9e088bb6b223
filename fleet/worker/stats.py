"""The stats of a worker: what it counts of itself, and the Report of it. Written by the loop, read by the watchdog."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field

from fleet.clock import time
from fleet.control import Report, State
from fleet.worker.memory import rss_bytes
from fleet.worker.outcome import Outcome
from fleet.worker.settings import Settings
from fleet.worker.task_statistics import TaskStatistics


@dataclass(slots=True)
class Stats:
    """Counters since the start. One thread writes; a reader may be one event behind."""

    worker: str
    revision: str
    state: Callable[[], State]
    settings: Settings
    children: Callable[[], tuple[int, ...]] = tuple
    in_flight: int = 0
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    rejected: int = 0
    revoked: int = 0
    expired: int = 0
    paused: bool = False
    paused_queues: tuple[str, ...] = ()
    broker_error: str | None = None
    mismatch: bool = False  # it is about a queue that exists with other settings
    refused: str | None = None
    turned_at: float = field(default_factory=time.monotonic)  # when the loop came round last
    moment: float = field(default_factory=time.monotonic)  # when the loop last looked at the clock
    busy_at: float = field(default_factory=time.monotonic)  # when a delivery last started or ended
    recycle: str | None = None  # these two are the watchdog's
    trouble: str | None = None
    alone: str | None = None  # what runs with nobody beside it
    oldest: Callable[[], float | None] = lambda: None  # since when what has begun first runs, monotonic
    warnings: tuple[str, ...] = ()
    statistics: TaskStatistics = field(default_factory=TaskStatistics)

    def told(self, outcome: Outcome) -> None:
        """One that its app has recorded itself."""
        match outcome.told:
            case "succeeded":
                self.succeeded += 1
            case "failed" if outcome.kind == "told":  # else it is counted where it is put aside
                self.failed += 1
            case "retried":
                self.retried += 1
            case "rejected":
                self.rejected += 1
            case "revoked":
                self.revoked += 1
            case "expired":
                self.expired += 1

    @property
    def ran(self) -> int:
        """Tasks that have run, whatever became of them."""
        return int(sum(totals[0] for totals in self.statistics.by_task().values()))

    def _idle_seconds(self) -> float:
        if self.state() != "ready" or self.paused or self.broker_error or self.in_flight:
            return 0.0
        return round(time.monotonic() - self.busy_at, 1)

    def _oldest_seconds(self) -> float:
        since = self.oldest()
        return 0.0 if since is None else round(time.monotonic() - since, 1)

    def _still_seconds(self) -> float:
        return max(0.0, round(time.monotonic() - self.busy_at, 1)) if self.in_flight else 0.0

    def report(self) -> Report:
        """From any thread. Memory is that of the worker and its pool processes together."""
        children = self.children()
        return Report(
            worker=self.worker,
            pid=os.getpid(),
            revision=self.revision,
            state=self.state(),
            concurrency=self.settings.spec.slots,
            live_revision=self.settings.revision,
            in_flight=self.in_flight,
            succeeded=self.succeeded,
            failed=self.failed,
            retried=self.retried,
            rejected=self.rejected,
            revoked=self.revoked,
            expired=self.expired,
            rss_bytes=rss_bytes() + sum(map(rss_bytes, children)),
            paused=self.paused,
            paused_queues=self.paused_queues,
            children=children,
            broker_error=self.broker_error,
            mismatch=self.mismatch,
            refused=self.refused,
            recycle=self.recycle,
            trouble=self.trouble,
            alone=self.alone,
            warnings=self.warnings,
            oldest_in_flight_seconds=self._oldest_seconds(),
            still_seconds=self._still_seconds(),
            idle_seconds=self._idle_seconds(),
            tasks=self.statistics.by_task(),
        )
