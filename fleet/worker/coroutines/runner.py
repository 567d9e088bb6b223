"""`async def` tasks in a thread that runs one task at a time: a long-lived event loop of its own.

For prefork, solo and threads, and for what a plain function of the asyncio pool may return. The loop stands still
between two tasks, and nothing of a task is left in it for the next one.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from fleet.tasks.running import belongings
from fleet.worker import limits
from fleet.worker.coroutines.belongings import Belongings, watch_generators, watch_tasks
from fleet.worker.coroutines.steps import Stage, Steps


def run(awaitable: Any, name: str, note: Callable[[str], None]) -> None:
    """Until it has ended, in this thread's loop. Raises what it raises; `note` gets what has to be said about it."""
    mine = getattr(_threads, "runner", None)
    if mine is None:
        mine = _threads.runner = ThreadRunner()
    mine.run(awaitable, name, note)


class ThreadRunner:
    """Of one thread; ends with it."""

    def __init__(self) -> None:
        self._runner: asyncio.Runner | None = None
        self._stage = Stage()

    def run(self, awaitable: Any, name: str, note: Callable[[str], None]) -> None:
        steps = Steps(_coroutine(awaitable), self._stage, name)
        limits.takers[threading.get_ident()] = steps.take_soft_limit
        ended = False
        try:
            # A context of its own: what the task sets in it is not there for the next one.
            self._ready().run(_run(steps, note), context=contextvars.copy_context())
            ended = True
        except BaseException as error:
            ended = steps.has_ended
            raise error from None
        finally:
            limits.takers.pop(threading.get_ident(), None)
            if not ended:  # the loop was stopped, or broke, under the task: the next one gets another
                self.close()

    def _ready(self) -> asyncio.Runner:
        runner = self._runner
        if runner is None or runner.get_loop().is_closed():
            runner = self._runner = asyncio.Runner()
            watch_tasks(runner.get_loop())
        return runner

    def close(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            with suppress(Exception):
                runner.close()

    def __del__(self) -> None:
        """The thread has ended."""
        self.close()


_threads = threading.local()


async def _coroutine_of(awaitable: Any) -> Any:
    return await awaitable


def _coroutine(awaitable: Any) -> Any:
    return awaitable if asyncio.iscoroutine(awaitable) else _coroutine_of(awaitable)


async def _run(steps: Steps, note: Callable[[str], None]) -> None:
    watch_generators()
    await run_steps(steps, note)


async def run_steps(steps: Steps, note: Callable[[str], None]) -> None:
    """In the asyncio task of the run: the coroutine, and then the end of what it has left behind."""
    mine = Belongings()
    belongings.set(mine)
    try:
        await steps
    finally:
        belongings.set(None)
        if told := await mine.end():
            note(f"{steps.name} {told}")
