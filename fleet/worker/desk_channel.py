"""The way between the loop and the desk (Celery's remote control), as each of the two sees it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from fleet.broker.delivery import Delivery

Event = tuple[str, dict[str, Any]]  # a type of Celery's ("task-received"), and its fields


class Channel(Protocol):
    """The desk's end."""

    def ask(self, question: str, **arguments: Any) -> Any:
        """From any thread of the desk. Raises TimeoutError when the loop does not answer."""

    def events(self, timeout: float) -> list[Event] | None:
        """What has happened since; [] after `timeout` seconds; None when the worker has ended."""


class LoopEnd(Protocol):
    """The loop's end, see remote.py."""

    pids_of: Callable[[], dict[Delivery, int]]
    """What runs in which process, where that is not the worker's; -1: it has not begun."""
    sink: Callable[[list[Event]], None] | None
    """Of a desk that is there."""

    def ask(self, question: str, **arguments: Any) -> Any:
        """From any thread."""
