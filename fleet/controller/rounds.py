"""Counts the looks of the controller's loop, so that who has changed something can wait for what comes of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Rounds:
    """Belongs to the event loop. One round at a time."""

    def __init__(self) -> None:
        self._begun = self._ended = 0
        self._end = asyncio.Event()
        self._is_going = False

    @contextmanager
    def going(self) -> Iterator[None]:
        """While rounds are made at all."""
        self._is_going = True
        try:
            yield
        finally:
            self._is_going = False

    @contextmanager
    def one(self) -> Iterator[None]:
        self._begun += 1
        try:
            yield
        finally:
            self._ended = self._begun
            self._end.set()
            self._end = asyncio.Event()

    async def next_whole(self, within: float) -> bool:
        """Wait for the end of a round that begins after this; whether it came in so many seconds."""
        wanted, deadline = self._begun + 1, time.monotonic() + within
        while self._ended < wanted:
            if not self._is_going:
                return False
            try:
                await asyncio.wait_for(self._end.wait(), deadline - time.monotonic())
            except TimeoutError:
                return False
        return True
