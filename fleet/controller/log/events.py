"""The event log: one line for each thing that a person wants to know, printed and kept for those who ask."""

from __future__ import annotations

import asyncio
import logging
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

from fleet.controller.log.journal import Journal
from fleet.spec import Spec
from fleet.visible import visible

KEPT_EVENTS = 1000


@dataclass(frozen=True, slots=True)
class Event(Spec):
    """`at` is UTC in ISO 8601, `level` INFO, WARNING or ERROR; `sequence` grows, also from controller to controller."""

    sequence: int
    at: str
    level: str
    message: str
    audit: dict[str, Any] | None = None  # who told what to do, of a command

    def __str__(self) -> str:
        return f"{self.at} {self.level} fleet {self.message}"


def iso(timestamp: float) -> str:
    """A POSIX timestamp as UTC to the second, as in 2026-11-22T08:40:00Z."""
    return datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class EventLog(logging.Handler):
    """Also the handler for libraries' warnings, so that there is one log with one format.

    `add` may be called from any thread; followers belong to the event loop.
    """

    def __init__(self, stream: TextIO | None = None, journal: Journal | None = None) -> None:
        super().__init__(logging.WARNING)
        self._stream = stream if stream is not None else sys.stdout
        self._journal = journal
        self._events: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._sequence = 0
        for event in [] if journal is None else _known(journal):
            self._events.append(event)
            self._sequence = max(self._sequence, event.sequence)
        self.note: Callable[[Event], None] = lambda _event: None  # gets each one, from any thread
        self._added = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def unwritten(self) -> OSError | None:
        """Why the last event is not on disk; None when it is, or nowhere to be."""
        return self._journal.error if self._journal is not None else None

    @property
    def sequence(self) -> int:
        """Of the latest event, whichever controller wrote it; 0 before the first."""
        return self._sequence

    def go_on_after(self, sequence: int) -> None:
        """Give events to come higher numbers than this."""
        with self.lock:  # type: ignore[union-attr]
            self._sequence = max(self._sequence, sequence)

    def info(self, message: str) -> None:
        self.add("INFO", message)

    def warning(self, message: str) -> None:
        self.add("WARNING", message)

    def error(self, message: str) -> None:
        self.add("ERROR", message)

    def add(self, level: str, message: str, audit: dict[str, Any] | None = None) -> None:
        message = visible(message)
        with self.lock:  # type: ignore[union-attr]  # logging.Handler makes one
            self._sequence += 1
            event = Event(self._sequence, iso(datetime.now(UTC).timestamp()), level, message, audit)
            self._events.append(event)
            # A reader that went away must not take the controller with it.
            with suppress(OSError, ValueError):
                print(event, file=self._stream, flush=True)
            if self._journal is not None:
                self._journal.write(event.to_dict())
            self.note(event)
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody follows any more
                self._loop.call_soon_threadsafe(self._wake_followers)

    def emit(self, record: logging.LogRecord) -> None:
        self.add(record.levelname, f"{record.name}: {record.getMessage()}")

    def after(self, sequence: int) -> list[Event]:
        """The events since; the oldest may have been forgotten."""
        return [event for event in list(self._events) if event.sequence > sequence]

    async def follow(self, after: int) -> AsyncIterator[Event]:
        """Every event since `after`, and those to come, for ever."""
        self._loop = asyncio.get_running_loop()
        while True:
            added = self._added
            for event in self.after(after):
                after = event.sequence
                yield event
            await added.wait()

    def _wake_followers(self) -> None:
        self._added.set()
        self._added = asyncio.Event()


def _known(journal: Journal) -> list[Event]:
    """The events of controllers before this one."""
    found = []
    for entry in journal.entries():
        with suppress(TypeError):
            found.append(Event.from_dict(entry))
    return [event for event in found if event.sequence > 0]
