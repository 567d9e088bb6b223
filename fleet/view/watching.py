"""The loop of `fleet view`: asks broker and workers once a second, has each group's number ready, tends the clock."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.stats import QueueStats
from fleet.controller.autoscale.decision import Decision
from fleet.controller.autoscale.why import in_numbers
from fleet.view.scaler import GroupScaler
from fleet.view.scheduler_child import SchedulerChild
from fleet.view.workers import Workers

EVERY_SECONDS = 1.0
_STALE_SECONDS = 15.0
_THREADS = 16


class View:
    """`answer` may be called from any thread."""

    def __init__(
        self,
        scalers: Mapping[str, GroupScaler],
        places: Mapping[str, tuple[str, ...]],
        ask: Callable[[], list[QueueStats]],
        log: Callable[[str], None],
        clock: SchedulerChild | None = None,
    ) -> None:
        """`places` by group, as in Workers; `ask` is for the queues' statistics; `clock`: the scheduler to keep."""
        self._scalers = scalers
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="fleet-view")
        self._workers = {name: Workers(places[name], self._pool) for name in scalers}
        self._ask = ask
        self._log = log
        self.clock = clock
        self._answers: dict[str, dict[str, Any]] = {}
        self._looked_at = float("-inf")
        self._broker_error: str | None = None

    def run(self, stopped: threading.Event) -> None:
        """Until `stopped`."""
        try:
            while not stopped.is_set():
                began = time.monotonic()
                if self.clock is not None:
                    self.clock.tend(began)
                self.look(began)
                stopped.wait(max(0.05, began + EVERY_SECONDS - time.monotonic()))
        finally:
            self._pool.shutdown(wait=False, cancel_futures=True)
            if self.clock is not None:
                self.clock.stop()

    def look(self, now: float) -> None:
        """Once."""
        queues = self._queues() if self._scalers else {}
        for name, scaler in self._scalers.items():
            reports = self._workers[name].reports()
            decision = scaler.step(reports, queues, now)
            if decision.replicas != decision.before:
                self._log(f"{name}: {decision.before} → {decision.replicas}: {decision.why}")
            self._answers[name] = _shown(name, decision, len(reports))
        self._looked_at = time.monotonic()

    def _queues(self) -> dict[str, QueueStats]:
        try:
            found = {each.name: each for each in self._ask()}
        except (BrokerUnavailable, OSError) as error:
            if str(error) != self._broker_error:
                self._log(f"the broker can't be asked, the numbers stay: {error}")
            self._broker_error = str(error)
            return {}
        if self._broker_error is not None:
            self._log("the broker answers again")
        self._broker_error = None
        return found

    @property
    def is_fresh(self) -> bool:
        return time.monotonic() - self._looked_at < _STALE_SECONDS

    def answer(self, group: str) -> dict[str, Any] | None:
        """None: no such group, or nothing is known of it yet, or not any more."""
        return self._answers.get(group) if self.is_fresh else None

    @property
    def groups(self) -> list[str]:
        return sorted(self._scalers)


def _shown(name: str, decision: Decision, seen: int) -> dict[str, Any]:
    numbers = decision.estimate
    return {
        "group": name,
        "desired": decision.replicas,
        "workers": seen,
        "why": decision.why,
        "numbers": in_numbers(numbers) if numbers is not None else None,
    }
