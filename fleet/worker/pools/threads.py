"""Threads of one process: for I/O-bound code that can't be monkey-patched."""

from __future__ import annotations

import contextlib
import queue
import sys
import threading
from collections.abc import Callable

from fleet.broker.delivery import Delivery
from fleet.launch_specs import WorkerSpec
from fleet.worker.app import Runner
from fleet.worker.execution import RunOptions
from fleet.worker.outcome import Outcome, Policy, default_policy
from fleet.worker.pools import Direct, Host
from fleet.worker.pools.interrupts import Interrupts

_LOCKED = (
    "its threads compute one at a time although its Python is free-threaded: a library that it has imported needs the "
    "interpreter lock (the log has Python's warning, with its name), or PYTHON_GIL says so"
)


def is_locked_again() -> bool:
    """A free-threaded Python whose lock has been switched on all the same."""
    return "t" in sys.abiflags and getattr(sys, "_is_gil_enabled", lambda: False)()


class TaskThreads(Direct):
    """Daemon threads, started as needed and then kept. Soft limits as far as threads allow; no hard ones.

    More may be submitted than there are threads: they wait for one, and `begins` is told of those when they begin.
    """

    def __init__(
        self,
        executor: Runner,
        most: int,
        done: Callable[[Delivery, Outcome], None],
        begins: Callable[[Delivery], None] = lambda _delivery: None,
    ) -> None:
        self._executor = executor
        self._done = done
        self._most = most
        self._begins = begins
        self._waiting: queue.SimpleQueue[Delivery | None] = queue.SimpleQueue()
        self._started = 0
        self._busy = 0  # submitted and not yet reported
        self._counting = threading.Lock()
        self._begun: dict[Delivery, threading.Thread] = {}  # by whom
        self._late: set[Delivery] = set()  # had to wait for a thread, and do so
        self._forgotten: set[Delivery] = set()
        self._closed = False

    def submit(self, delivery: Delivery) -> None:
        with self._counting:
            self._busy += 1
        if self._busy > self._started and self._started < self._most:
            self._start_one()
        if self._busy > self._started:
            self._late.add(delivery)
        self._waiting.put(delivery)

    def _start_one(self) -> None:
        try:
            threading.Thread(target=self._work, name=f"fleet-task-{self._started + 1}", daemon=True).start()
        except RuntimeError:  # no more threads for this user or container: those that there are must do
            if self._started == 0:
                raise
        else:
            self._started += 1

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
        self._late.difference_update(deliveries)
        return deliveries

    def missing(self, old: list[Delivery]) -> list[tuple[Delivery, str]]:
        begun = dict(self._begun)
        never = [
            (each, "no thread has begun it") for each in old if each not in begun and each not in self._late
        ]
        ended = [
            (each, "its thread has ended") for each in old if each in begun and not begun[each].is_alive()
        ]
        return [*never, *ended]

    def forget(self, delivery: Delivery) -> None:
        self._forgotten.add(delivery)
        self._begun.pop(delivery, None)
        with self._counting:
            self._busy -= 1

    def set_policy(self, policy: Policy) -> None:
        self._executor.configure(policy)

    def resize(self, most: int) -> None:
        self._most = most
        while self._started > self._most:
            self._started -= 1
            self._waiting.put(None)  # ends the next thread that has nothing to do

    def close(self) -> None:
        """Idle threads end; a busy one is left behind and its outcome dropped."""
        self._closed = True
        for _ in range(self._started):
            self._waiting.put(None)

    def _work(self) -> None:
        while (delivery := self._waiting.get()) is not None:
            if delivery in self._forgotten:
                continue
            self._begun[delivery] = threading.current_thread()
            if delivery in self._late:
                self._late.discard(delivery)
                self._begins(delivery)
            outcome = self._executor.run(delivery)
            del self._begun[delivery]
            if self._closed:
                return
            with self._counting:
                self._busy -= 1
            self._done(delivery, outcome)


class ThreadsPool(TaskThreads):
    """A thread for each of `concurrency`."""

    def __init__(self, host: Host) -> None:
        executor = host.app.runner(RunOptions(limits=Interrupts(host.app.soft_error), note=host.log.warning))
        super().__init__(executor, host.launch.spec.concurrency, host.done)
        host.up(host.app.owns, host.app.private_queues)

    def warnings(self, _now: float) -> tuple[str, ...]:
        return (_LOCKED,) if is_locked_again() else ()

    def configure(self, spec: WorkerSpec) -> None:
        self.set_policy(default_policy(spec))
        self.resize(spec.concurrency)
