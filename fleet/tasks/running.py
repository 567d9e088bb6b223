"""What code inside a task can see and raise: `current`, Retry, the soft time limit."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

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


running: ContextVar[Current] = ContextVar("fleet.running")


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
