"""Green threads, by gevent or eventlet: for tasks that mostly wait, hundreds or thousands at once.

The two libraries differ in how a green thread and a timeout are started, and in nothing else here.

A task that forks has all green threads in its copy: the loop and the other tasks would go on there whenever it waits.
In a copy a new hub takes the place of the one that would wake them.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import greenlet  # type: ignore[import-untyped]

from fleet.broker.delivery import Delivery
from fleet.clock import time
from fleet.launch_specs import WorkerSpec
from fleet.worker.app import ASYNC_REMEDY
from fleet.worker.errors import CantAwait
from fleet.worker.execution import RunOptions
from fleet.worker.limits import TaskTerminated, TimeLimitExceeded
from fleet.worker.outcome import default_policy
from fleet.worker.pools import Direct, Host

# (seconds, exception to raise in the calling green thread) → something to cancel.
StartTimeout = Callable[[float, BaseException], Any]


def gevent_pool(host: Host) -> GreenPool:
    import gevent
    import gevent.hub

    def forsake_the_others() -> None:
        gevent.hub.set_hub(gevent.hub.Hub(default=False))

    os.register_at_fork(after_in_child=forsake_the_others)
    # gevent does that after the first fork only: a copy that has ended by then is waited for without end.
    gevent.get_hub().loop.install_sigchld()

    def kill(running: Any) -> None:
        gevent.kill(running, TaskTerminated("terminated"))

    return GreenPool(host, gevent.spawn, gevent.Timeout.start_new, kill)


def eventlet_pool(host: Host) -> GreenPool:
    import eventlet
    import eventlet.hubs

    os.register_at_fork(after_in_child=eventlet.hubs.use_hub)

    def kill(running: Any) -> None:
        eventlet.hubs.get_hub().schedule_call_global(0, running.throw, TaskTerminated("terminated"))

    return GreenPool(host, eventlet.spawn_n, eventlet.Timeout, kill)


def _refuse(awaitable: Any, name: str, _note: Callable[[str], None]) -> None:
    """No route leads here for it, or the worker would not have started (app.py); somebody has named the queue."""
    with suppress(Exception):
        awaitable.close()  # it has not begun
    raise CantAwait(f"{name} is an `async def`, which no green pool can run: {ASYNC_REMEDY}")


class GreenPool(Direct):
    """A green thread per delivery. Both limits hold wherever the task lets others run."""

    def __init__(
        self, host: Host, spawn: Callable[..., Any], start_timeout: StartTimeout, kill: Callable[[Any], None]
    ) -> None:
        """`kill` raises TaskTerminated in a green thread."""
        self._kill = kill
        self._start_timeout = start_timeout
        self._spawn = spawn
        self._done = host.done
        self._clock = GreenClock()
        self._begun: dict[Delivery, Any] = {}  # by which green thread
        self._forgotten: set[Delivery] = set()
        self._soft_error = host.app.soft_error
        self._executor = host.app.runner(
            RunOptions(self._limits, cpu_clock=self._clock, thread_ends=True, wait_for=_refuse)
        )
        greenlet.settrace(self._clock.switched)
        host.up(host.app.owns, host.app.private_queues)

    def submit(self, delivery: Delivery) -> None:
        self._spawn(self._run, delivery)

    def _run(self, delivery: Delivery) -> None:
        if delivery in self._forgotten:
            return
        self._begun[delivery] = greenlet.getcurrent()
        outcome = self._executor.run(delivery)
        self._clock.forget()
        self._begun.pop(delivery, None)
        self._done(delivery, outcome)

    def recall(self) -> list[Delivery]:
        return []

    def missing(self, old: list[Delivery]) -> list[tuple[Delivery, str]]:
        never = [(each, "no green thread has begun it") for each in old if each not in self._begun]
        begun = [each for each in old if each in self._begun]
        ended = [(each, "its green thread has ended") for each in begun if self._begun[each].dead]
        return [*never, *ended]

    def forget(self, delivery: Delivery) -> None:
        self._forgotten.add(delivery)
        self._begun.pop(delivery, None)

    def terminate(self, delivery: Delivery, _signum: int) -> None:
        if (running := self._begun.get(delivery)) is not None:
            self._kill(running)

    def configure(self, spec: WorkerSpec) -> None:
        """How many green threads there are is up to the loop."""
        self._executor.configure(default_policy(spec))

    def close(self) -> None:
        """Green threads end with their process."""

    @contextmanager
    def _limits(self, soft: float | None, hard: float | None) -> Iterator[None]:
        timeouts = []
        if soft:
            timeouts.append(self._start_timeout(soft, self._soft_error(soft)))
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
