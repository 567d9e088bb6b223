"""Background tasks and async generators that a task's coroutine has begun in its event loop and not ended.

They end with the task. A background task that went on would run beside the next message, which knows nothing of it,
with the first one's `current`; and nobody would ever hear of its errors. What is meant to outlive the task (the
reader of a client that is shared by all) is begun inside `fleet.outliving_task()`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any
from weakref import WeakSet

from fleet.tasks.running import belongings

_PATIENCE_SECONDS = 1.0  # for those that have been cancelled
_MOST_NAMED = 5


class Belongings:
    """Of one run of one task. For the loop's thread."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._generators: WeakSet[AsyncGenerator[Any, Any]] | None = None

    def add_task(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def add_generator(self, generator: AsyncGenerator[Any, Any]) -> None:
        if self._generators is None:
            self._generators = WeakSet()
        self._generators.add(generator)

    async def end(self) -> str:
        """End what is left. In words what that was; "" for nothing that anybody need know of."""
        left = [task for task in self._tasks if not task.done()]
        if left:
            for task in left:
                task.cancel()
            await asyncio.wait(left, timeout=_PATIENCE_SECONDS)
        for generator in list(self._generators or ()):
            with suppress(Exception):  # it has ended, or somebody is in it
                await generator.aclose()
        return _told(left)


def _told(left: list[asyncio.Task[Any]]) -> str:
    if not left:
        return ""
    names = ", ".join(_name(task) for task in left[:_MOST_NAMED]) + (", …" if len(left) > _MOST_NAMED else "")
    count = "a background task" if len(left) == 1 else f"{len(left)} background tasks"
    alive = sum(not task.done() for task in left)
    still = f"; {alive} did not end of it" if alive else ""
    return f"left {count} running, now cancelled{still}: {names}"


def _name(task: asyncio.Task[Any]) -> str:
    coroutine: Any = task.get_coro()
    code = getattr(coroutine, "cr_code", None)
    name = getattr(coroutine, "__qualname__", None) or task.get_name()
    return f"{name} ({code.co_filename}, line {code.co_firstlineno})" if code else str(name)


def watch_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """From now on what a run begins in this loop is among its belongings."""

    def make(loop: asyncio.AbstractEventLoop, coroutine: Any, **more: Any) -> Any:
        task = asyncio.Task(coroutine, loop=loop, **more)
        context = more.get("context")
        owner = belongings.get() if context is None else context.get(belongings)
        if owner is not None:
            owner.add_task(task)
        return task

    loop.set_task_factory(make)


def watch_generators() -> None:
    """The same for async generators; in the loop's thread, each time that the loop has begun to run."""
    hooks = sys.get_asyncgen_hooks()

    def begun(generator: AsyncGenerator[Any, Any]) -> None:
        if hooks.firstiter is not None:
            hooks.firstiter(generator)
        if (owner := belongings.get()) is not None:
            owner.add_generator(generator)

    sys.set_asyncgen_hooks(firstiter=begun, finalizer=hooks.finalizer)
