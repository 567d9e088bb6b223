"""asyncio: one event loop in a thread beside the worker's own, a coroutine per delivery; hundreds or thousands at once.

The loop that talks to the broker goes on in its own thread: a broker that answers slowly holds up no coroutine, and a
coroutine that blocks its loop holds up no ack, no heartbeat and no lease (docs/decisions/0105). Plain functions run in
a few threads. Nothing is patched.
"""

from __future__ import annotations

import asyncio
import os
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

from fleet.broker.delivery import Delivery
from fleet.clock import time
from fleet.launch_specs import WorkerSpec
from fleet.tasks.task import is_async
from fleet.worker import failure
from fleet.worker.coroutines.belongings import watch_generators, watch_tasks
from fleet.worker.coroutines.steps import Stage
from fleet.worker.execution import RunOptions
from fleet.worker.headers import label, task_of
from fleet.worker.outcome import Outcome, default_policy
from fleet.worker.pools import Direct, Host
from fleet.worker.pools.async_execution import AsyncExecutor
from fleet.worker.pools.blocked_event_loop import LoopWatch
from fleet.worker.pools.interrupts import Interrupts
from fleet.worker.pools.threads import TaskThreads
from fleet.worker.progress import HeldUp

# For what still runs when the grace period is over: to clean up before its message is somebody else's.
_CANCEL_SECONDS = 1.0
# A thread that computes keeps the interpreter for so long from the other, which has a message to take or an ack to
# send; Python's own 5 ms are meant for threads that are in no hurry.
_SWITCH_SECONDS = 0.001


class AsyncioPool(Direct):
    """Coroutines in an event loop; both time limits hold wherever the task awaits."""

    def __init__(self, host: Host) -> None:
        spec = host.launch.spec
        self._log = host.log
        self._done = host.done
        targets = host.app.targets
        self._async = {name for name, target in targets.items() if is_async(target.function)}
        self._tasks: dict[Delivery, asyncio.Task[Outcome]] = {}
        self._waiting: deque[Delivery] = deque()  # for the loop's thread to begin them
        self._is_called = False  # it has been asked to
        self._forgotten: set[Delivery] = set()
        self._is_closed = False
        self._loop = new_event_loop()
        self._stage = Stage()
        options = RunOptions(limits=Interrupts(host.app.soft_error), note=host.log.warning)
        self._executor = AsyncExecutor(
            targets, options, accept=spec.broker.accept, most_bytes=spec.broker.max_message_bytes
        )
        self._executor.stage = self._stage
        in_threads = host.app.runner(options)
        self._threads = TaskThreads(in_threads, spec.threads, host.done, host.begins)
        self._thread = threading.Thread(target=self._serve, name="fleet-asyncio", daemon=True)
        self._watch = LoopWatch(
            self._loop, self._thread, self._stage, lambda: len(self._tasks), host.log.warning
        )
        sys.setswitchinterval(_SWITCH_SECONDS)
        self._thread.start()
        host.up(host.app.owns, host.app.private_queues)

    # In the worker's loop

    def submit(self, delivery: Delivery) -> None:
        if task_of(delivery) in self._async:
            self._waiting.append(delivery)
        else:
            self._threads.submit(delivery)

    def flush(self) -> None:
        if self._waiting and not self._is_called:
            self._is_called = True
            self._loop.call_soon_threadsafe(self._begin)

    def recall(self) -> list[Delivery]:
        """What waits for a thread; what waits for the event loop begins in a moment, unless something blocks that."""
        recalled = self._threads.recall()
        with suppress(IndexError):  # the event loop takes them, too
            while True:
                recalled.append(self._waiting.popleft())
        return recalled

    def missing(self, old: list[Delivery]) -> list[tuple[Delivery, str]]:
        plain = [each for each in old if task_of(each) not in self._async]
        waiting, missing = set(self._waiting), self._threads.missing(plain)
        for each in old:
            task = self._tasks.get(each)
            if task_of(each) not in self._async or each in waiting:
                continue
            if task is None:
                missing.append((each, "no coroutine runs it"))
            elif task.done() and self._watch.held_up(time.monotonic()) is None:
                missing.append((each, "its coroutine has ended"))
        return missing

    def forget(self, delivery: Delivery) -> None:
        if task_of(delivery) not in self._async:
            self._threads.forget(delivery)
        self._forgotten.add(delivery)
        self._tasks.pop(delivery, None)

    def held_up(self, now: float) -> HeldUp | None:
        return self._watch.held_up(now)

    def warnings(self, now: float) -> tuple[str, ...]:
        return self._watch.warnings(now)

    def configure(self, spec: WorkerSpec) -> None:
        """How many coroutines there are is up to the worker's loop."""
        self._executor.configure(default_policy(spec))
        self._threads.set_policy(default_policy(spec))

    def close(self) -> None:
        """What still runs is cancelled, and has a moment to clean up; what doesn't end of it ends with the process."""
        self._is_closed = True
        self._threads.close()
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._end)
        self._thread.join(_CANCEL_SECONDS)

    # In the event loop's thread

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        watch_tasks(self._loop)
        self._loop.call_soon(watch_generators)
        while not self._is_closed:
            try:
                self._loop.run_forever()  # until a task stops it, or raises SystemExit in the background
            except BaseException as error:
                self._log.warning(f"something in the event loop raised {failure.reason(error)}; it goes on")

    def _begin(self) -> None:
        self._is_called = False  # first this: what is appended from now on asks again
        with suppress(IndexError):  # what has been recalled
            while True:
                delivery = self._waiting.popleft()
                if delivery not in self._forgotten:
                    task = asyncio.Task(
                        self._executor.run_async(delivery), loop=self._loop, name=label(delivery)
                    )
                    self._tasks[delivery] = task
                    task.add_done_callback(partial(self._ended, delivery))
        self._watch.wake()

    def _ended(self, delivery: Delivery, task: asyncio.Task[Outcome]) -> None:
        if self._tasks.pop(delivery, None) is None or self._is_closed:
            return
        self._done(delivery, _outcome(task))

    def _end(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()

        def stop(_done: Any) -> None:
            self._loop.stop()

        asyncio.gather(*tasks, return_exceptions=True).add_done_callback(stop)


def _outcome(task: asyncio.Task[Outcome]) -> Outcome:
    if task.cancelled():
        return Outcome("failed", "CancelledError: something has cancelled it from outside")
    if (error := task.exception()) is not None:
        return Outcome("failed", failure.reason(error), failure.trace(error))
    return task.result()


def new_event_loop() -> asyncio.AbstractEventLoop:
    """uvloop's where that is installed, unless FLEET_EVENT_LOOP=asyncio says else."""
    make: Callable[[], asyncio.AbstractEventLoop] = asyncio.new_event_loop
    if os.environ.get("FLEET_EVENT_LOOP") != "asyncio":
        with suppress(ImportError):
            import uvloop

            make = uvloop.new_event_loop
    return make()
