"""The running task as its own code sees it: `current`, Retry, the soft time limit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fleet.tasks.durations import Duration, seconds


@dataclass(frozen=True, slots=True)
class Current:
    """The message whose task is running."""

    id: str
    task: str
    attempt: int  # 1 the first time; retries count
    queue: str
    redelivered: bool  # the broker has handed it out before: it may have run, wholly or in part
    deadline: float | None = None  # POSIX timestamp of the time limit
    trace: Mapping[str, str] | None = None  # `traceparent` and `tracestate` that the message came with


running: ContextVar[Current] = ContextVar("fleet.running")
# What the coroutine that runs begins and does not end (worker/belongings.py).
belongings: ContextVar[Any] = ContextVar("fleet.belongings", default=None)


@contextmanager
def outliving_task() -> Iterator[None]:
    """Inside an `async def` task: background tasks begun in this block go on when the task has ended.

    For clients that are made once and then shared, and read their connection in the background:
    `with fleet.outliving_task(): client = await connect()`. On prefork, solo and threads the event loop stands still
    between two tasks, and so do they.
    """
    token = belongings.set(None)
    try:
        yield
    finally:
        belongings.reset(token)


class Retry(Exception):  # noqa: N818  # not an error: a request
    """Raise it inside a task to run the message again later: after `delay`, else by the task's backoff."""

    def __init__(self, reason: str = "", *, delay: Duration | None = None) -> None:
        super().__init__(reason)
        self.delay_seconds = seconds(delay, "delay")


class SoftTimeLimitExceeded(Exception):  # noqa: N818
    """Raised inside a task at its soft time limit: clean up and end before the hard limit comes."""


class _CurrentProxy:
    """`fleet.current`: the attributes of this task's Current."""

    def __getattr__(self, name: str) -> object:
        try:
            return getattr(running.get(), name)
        except LookupError:
            raise RuntimeError(f"fleet.current.{name}: only there while a worker runs a task") from None

    def __repr__(self) -> str:
        return f"<fleet.current {running.get(None)}>"


if TYPE_CHECKING:
    current: Current
else:
    current = _CurrentProxy()
