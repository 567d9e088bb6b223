"""What a worker counts about itself, and the Report made of it. Written by the loop, read by the warden."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from fleet.control import Report, State
from fleet.worker.memory import rss_bytes
from fleet.worker.outcome import Outcome
from fleet.worker.settings import Settings, slots


@dataclass(slots=True)
class Tally:
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
    paused: bool = False
    paused_queues: tuple[str, ...] = ()
    broker_error: str | None = None
    turned_at: float = field(default_factory=time.monotonic)  # when the loop came round last
    busy_at: float = field(default_factory=time.monotonic)  # when a delivery last started or ended
    recycle: str | None = None  # these two are the warden's
    trouble: str | None = None
    tasks: dict[str, list[float]] = field(default_factory=dict)

    def count(self, task: str, outcome: Outcome) -> None:
        """A delivery that ran (`retried` is counted where the retry is decided)."""
        if outcome.kind == "succeeded":
            self.succeeded += 1
        totals = self.tasks.get(task)
        if totals is None:
            totals = self.tasks[task] = [0, 0.0, 0.0]
        totals[0] += 1
        totals[1] += outcome.wall_seconds
        totals[2] += outcome.cpu_seconds

    @property
    def ran(self) -> int:
        """Tasks that have run, whatever became of them."""
        return int(sum(totals[0] for totals in list(self.tasks.values())))

    def _idle_seconds(self) -> float:
        if self.state() != "ready" or self.paused or self.broker_error or self.in_flight:
            return 0.0
        return round(time.monotonic() - self.busy_at, 1)

    def report(self) -> Report:
        """From any thread. Memory is that of the worker and its pool processes together."""
        children = self.children()
        return Report(
            worker=self.worker,
            pid=os.getpid(),
            revision=self.revision,
            state=self.state(),
            concurrency=slots(self.settings.spec),
            live_revision=self.settings.revision,
            in_flight=self.in_flight,
            succeeded=self.succeeded,
            failed=self.failed,
            retried=self.retried,
            rss_bytes=rss_bytes() + sum(map(rss_bytes, children)),
            paused=self.paused,
            paused_queues=self.paused_queues,
            children=children,
            broker_error=self.broker_error,
            recycle=self.recycle,
            trouble=self.trouble,
            idle_seconds=self._idle_seconds(),
            tasks={name: list(totals) for name, totals in dict(self.tasks).items()},
        )
