"""Schedules of a Celery app: the app makes their messages, and where no expression can, tells their moments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from fleet.launch_specs import ScheduleSpec

if TYPE_CHECKING:
    from fleet.protocol import Encoded


class Made(NamedTuple):
    """A message that the app has made, for the queue of that name. `priority` is as Celery means it on this broker."""

    message: Encoded
    queue: str
    priority: int | None = None
    delay_seconds: float = 0.0


class Ticks(Protocol):
    """Tells when something fires: `solar` and custom schedules. Never raises. Milliseconds since 1970."""

    rule: str
    """Another text exactly when the moments are others."""

    def upcoming(self, moment: int, now: int | None) -> Iterator[int]:
        """Moments after that one, in order; what depends on more than the time tells no further than it knows."""

    def latest(self, moment: int) -> int | None:
        """The last one that is not after that moment; None when nobody can tell."""


@dataclass(frozen=True, slots=True)
class AppSchedule(ScheduleSpec):
    """`make` gives the message of the run with that id; raises ValueError. `when`: for people.

    With `ticks` it says neither `cron` nor `every`.
    """

    make: Callable[[str], Made] | None = None
    ticks: Ticks | None = None
    when: str = ""
