"""Run one delivery of an `async def` task in the event loop that all share; else as the executor of the other pools."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from fleet.broker.delivery import Delivery
from fleet.clock import time
from fleet.protocol import Call
from fleet.tasks import hooks, running
from fleet.worker import failure
from fleet.worker.coroutines.runner import run_steps
from fleet.worker.coroutines.steps import Stage, Steps, hard_limit, soft_limit
from fleet.worker.execution import SUCCEEDED, Executor, Target, current_of, limits_of, of_exception, tell_end
from fleet.worker.outcome import Outcome
from fleet.worker.pools import async_django


class AsyncExecutor(Executor):
    """For the loop's thread."""

    stage: Stage

    async def run_async(self, delivery: Delivery) -> Outcome:
        """Never raises, unless it is cancelled in between."""
        try:
            found = self._find(delivery)
            return found if isinstance(found, Outcome) else await self._call_async(*found, delivery)
        except BaseException as error:
            return Outcome("failed", failure.reason(error), failure.trace(error))

    async def _call_async(self, target: Target, call: Call, delivery: Delivery) -> Outcome:
        soft, hard = limits_of(call, target.policy)
        began = time.monotonic()
        steps = Steps(_call(target, call), self.stage, f"{call.task}[{call.id}]")
        current = current_of(call, delivery, hard or soft)
        running.set(current)  # in the context of this run
        await async_django.close_stale()
        raised: BaseException | None = None
        try:
            for starting in hooks.task_start:
                starting(current)
            if soft or hard:
                with _limits(steps, soft, hard):
                    await run_steps(steps, self._note)
            else:
                await run_steps(steps, self._note)
            outcome = SUCCEEDED
        except BaseException as error:  # SystemExit too: a task must not end its worker
            raised = error
            outcome = of_exception(error, target, call)
        if hooks.task_end:
            tell_end(current, raised, time.monotonic() - began)
        await async_django.close_stale()
        now = time.monotonic()
        return outcome._replace(wall_seconds=now - began, cpu_seconds=steps.cpu_seconds, ended_at=now)


async def _call(target: Target, call: Call) -> None:
    result = target.function(*call.args, **call.kwargs)
    if result is not None and hasattr(type(result), "__await__"):
        await result


@contextmanager
def _limits(steps: Steps, soft: float | None, hard: float | None) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    timers = []
    if soft:
        timers.append(loop.call_later(soft, steps.interrupt, soft_limit(soft)))
    if hard:
        timers.append(loop.call_later(hard, steps.interrupt, hard_limit(hard)))
    try:
        yield
    finally:
        for timer in timers:
            timer.cancel()
