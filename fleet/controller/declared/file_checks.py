"""Looks at the file that somebody hinted at, and that nobody waits for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any


class FileChecks:
    """`consider(force=…)` is what a look is. Made in the event loop where the looks take place."""

    def __init__(self, consider: Callable[..., Coroutine[Any, Any, object]]) -> None:
        self._consider = consider
        self._loop = asyncio.get_running_loop()
        self._running: set[asyncio.Task[object]] = set()
        self._ended = False

    def begin(self, *, force: bool = False) -> None:
        if self._ended:
            return
        task: asyncio.Task[object] = self._loop.create_task(self._consider(force=force))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def hint(self) -> None:
        """From any thread."""
        with suppress(RuntimeError):  # the loop was closed in this moment
            self._loop.call_soon_threadsafe(self.begin)

    async def end(self) -> None:
        """A hint that comes now, from a thread that is still ending, leads to nothing."""
        self._ended = True
        running = set(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
