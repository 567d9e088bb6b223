"""The history's clock: looks at the fleet several times a minute, and has each minute written when it is over."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from fleet.controller.history.history import FleetHistory

SAMPLE_SECONDS = 15.0
_DEPARTED_SECONDS = 0.3  # after a worker has gone: others may go with it
_FIRST_SECONDS = 1.0


class Keeper:
    """`run` in the event loop, for ever."""

    def __init__(self, history: FleetHistory, status: Callable[[], Awaitable[dict[str, Any] | None]]) -> None:
        """`status` gives that of the fleet (controller/api/status.py), None while there is none."""
        self._history = history
        self._status = status
        self._wakened = asyncio.Event()
        self._departed = False
        self.seen: Callable[[dict[str, Any]], None] = lambda _status: (
            None
        )  # gets each status that was looked at

    def departed(self) -> None:
        """A worker has gone: what it told last must not wait for the end of the minute."""
        self._departed = True
        self._wakened.set()

    async def run(self) -> None:
        """Until cancelled."""
        await self._rest(_FIRST_SECONDS)
        await self._history.collect()
        while True:
            await self._one()
            await self._rest(_until_next(time.time()))

    async def _one(self) -> None:
        minute = int(time.time() // 60)
        if self._departed:
            self._departed = False
            await asyncio.sleep(_DEPARTED_SECONDS)
            await self._history.collect()
            self._history.commit()
            return
        if minute != self._history.written_minute // 60:
            await self._history.collect()
            self._history.commit()  # before the next minute is looked at
            await asyncio.to_thread(self._history.tidy)
        if (status := await self._status()) is not None:
            self._history.sample(status)
            self.seen(status)

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._wakened.wait(), seconds)
        except TimeoutError:
            return
        self._wakened.clear()


def _until_next(now: float) -> float:
    """To the next sample; they are at the same seconds of every minute."""
    return SAMPLE_SECONDS - now % SAMPLE_SECONDS + 0.05
