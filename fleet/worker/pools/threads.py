"""Threads of one process: for I/O-bound code that can't be monkey-patched."""

from __future__ import annotations

import contextlib
import queue
import threading

from fleet.broker.delivery import Delivery
from fleet.spec import WorkerSpec
from fleet.worker.execution import Executor
from fleet.worker.outcome import default_policy
from fleet.worker.pools import Direct, Host, owns
from fleet.worker.pools.interrupts import Interrupts


class ThreadsPool(Direct):
    """Daemon threads, started as needed and then kept. Soft limits as far as threads allow; no hard ones."""

    def __init__(self, host: Host) -> None:
        spec = host.launch.spec
        self._executor = Executor(host.targets, accept=spec.broker.accept, limits=Interrupts())
        self._done = host.done
        self._concurrency = spec.concurrency
        self._waiting: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._started = 0
        self._busy = 0  # submitted and not yet reported
        self._counting = threading.Lock()
        self._closed = False
        host.up(owns(host.targets))

    def submit(self, delivery: Delivery) -> None:
        with self._counting:
            self._busy += 1
        if self._busy > self._started and self._started < self._concurrency:
            self._started += 1
            threading.Thread(target=self._work, name=f"fleet-task-{self._started}", daemon=True).start()
        self._waiting.put(delivery)

    def recall(self) -> list[Delivery]:
        """Between two threads there is a moment in which a delivery waits."""
        waiting: list[Delivery | None] = []
        with contextlib.suppress(queue.Empty):
            while True:
                waiting.append(self._waiting.get_nowait())
        deliveries = [each for each in waiting if each is not None]
        for _ in range(len(waiting) - len(deliveries)):
            self._waiting.put(None)
        with self._counting:
            self._busy -= len(deliveries)
        return deliveries

    def configure(self, spec: WorkerSpec) -> None:
        self._executor.configure(default_policy(spec))
        self._concurrency = spec.concurrency
        while self._started > self._concurrency:
            self._started -= 1
            self._waiting.put(None)  # ends the next thread that has nothing to do

    def close(self) -> None:
        """Idle threads end; a busy one is left behind and its outcome dropped."""
        self._closed = True
        for _ in range(self._started):
            self._waiting.put(None)

    def _work(self) -> None:
        while (delivery := self._waiting.get()) is not None:
            outcome = self._executor.run(delivery)
            if self._closed:
                return
            with self._counting:
                self._busy -= 1
            self._done(delivery, outcome)
