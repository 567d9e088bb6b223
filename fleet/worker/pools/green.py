"""Green threads, by gevent or eventlet: for tasks that mostly wait, hundreds or thousands at once.

The two libraries differ in how a green thread and a timeout are started, and in nothing else here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import greenlet  # type: ignore[import-untyped]

from fleet.broker.delivery import Delivery
from fleet.spec import WorkerSpec
from fleet.tasks import SoftTimeLimitExceeded
from fleet.worker.execution import Executor
from fleet.worker.limits import TimeLimitExceeded
from fleet.worker.outcome import default_policy
from fleet.worker.pools import Direct, Host, owns

# (seconds, exception to raise in the calling green thread) → something to cancel.
StartTimeout = Callable[[float, BaseException], Any]


def gevent_pool(host: Host) -> GreenPool:
    import gevent

    return GreenPool(host, gevent.spawn, gevent.Timeout.start_new)


def eventlet_pool(host: Host) -> GreenPool:
    import eventlet

    return GreenPool(host, eventlet.spawn_n, eventlet.Timeout)


class GreenPool(Direct):
    """A green thread per delivery. Both limits hold wherever the task lets others run."""

    def __init__(self, host: Host, spawn: Callable[..., Any], start_timeout: StartTimeout) -> None:
        self._start_timeout = start_timeout
        self._spawn = spawn
        self._done = host.done
        self._clock = GreenClock()
        accept = host.launch.spec.broker.accept
        self._executor = Executor(host.targets, accept=accept, limits=self._limits, cpu_clock=self._clock)
        greenlet.settrace(self._clock.switched)
        host.up(owns(host.targets))

    def submit(self, delivery: Delivery) -> None:
        self._spawn(self._run, delivery)

    def _run(self, delivery: Delivery) -> None:
        outcome = self._executor.run(delivery)
        self._clock.forget()
        self._done(delivery, outcome)

    def recall(self) -> list[Delivery]:
        return []

    def configure(self, spec: WorkerSpec) -> None:
        """How many green threads there are is up to the loop."""
        self._executor.configure(default_policy(spec))

    def close(self) -> None:
        """Green threads end with their process."""

    @contextmanager
    def _limits(self, soft: float | None, hard: float | None) -> Iterator[None]:
        timeouts = []
        if soft:
            error = SoftTimeLimitExceeded(f"soft time limit {soft:g}s exceeded")
            timeouts.append(self._start_timeout(soft, error))
        if hard:
            timeouts.append(self._start_timeout(hard, TimeLimitExceeded(f"time limit {hard:g}s exceeded")))
        try:
            yield
        finally:
            for timeout in timeouts:
                timeout.cancel()


class GreenClock:
    """The CPU seconds of the green thread that asks: the thread's own, less what others used in between.

    Fed by greenlet at every switch; about a microsecond each.
    """

    def __init__(self) -> None:
        self._since = time.thread_time()
        self._used: dict[Any, float] = {}

    def switched(self, _event: str, greenlets: tuple[Any, Any]) -> None:
        now = time.thread_time()
        origin = greenlets[0]
        if origin in self._used:
            self._used[origin] += now - self._since
        self._since = now

    def __call__(self) -> float:
        now, me = time.thread_time(), greenlet.getcurrent()
        used = self._used[me] = self._used.get(me, 0.0) + now - self._since
        self._since = now
        return used

    def forget(self) -> None:
        """The green thread that calls is done measuring."""
        self._used.pop(greenlet.getcurrent(), None)
