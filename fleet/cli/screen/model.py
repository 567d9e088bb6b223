"""The model of `fleet top`: what is known of the fleet, and what somebody is looking at. Plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

SCREENS = ("Overview", "Queues", "Groups", "Tasks", "Failed", "Events", "Schedules")
OVERVIEW, QUEUES, GROUPS, TASKS, FAILED, EVENTS, SCHEDULES = range(len(SCREENS))

PATHS = {
    "status": "/status",
    "statistics": "/statistics",
    "errors": "/errors",
    "alerts": "/alerts",
    "running": "/running",
    "events": "/history/events?limit=200",
    "schedules": "/schedules",
}
"""What is asked of the controller, by the name that the answer has here."""

NEEDS = {
    OVERVIEW: ("statistics", "alerts", "errors", "events"),
    QUEUES: ("statistics",),
    GROUPS: ("running",),
    TASKS: ("statistics", "errors"),
    FAILED: ("errors",),
    EVENTS: ("events",),
    SCHEDULES: ("schedules",),
}
"""What a screen shows beside the status."""

Row = dict[str, Any]

_LONG_SECONDS = 5.0  # without an answer


@dataclass(frozen=True, slots=True)
class Answered:
    """The controller's answers, each the last there was; all texts visible.

    `at`: when it last answered, in POSIX seconds; `trouble`: why it does not answer;
    `failures`: why it can't answer one of the questions, by their names.
    """

    answers: Mapping[str, Any] = field(default_factory=dict)
    at: float | None = None
    trouble: str | None = None
    failures: Mapping[str, str] = field(default_factory=dict)

    def answer(self, name: str, key: str) -> list[Row]:
        """A list out of an answer; empty while there is none."""
        found: list[Row] = (self.answers.get(name) or {}).get(key) or []
        return found


@dataclass(frozen=True, slots=True)
class Question:
    """An act that is asked before it is done. With `number` a whole number is typed into `arguments["replicas"]`.

    With `count` that number is to be typed, so that nothing is deleted by a key too many.
    """

    text: str
    path: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    number: bool = False
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Opened:
    """What lies over the list: something of the row with that key, or with `lines` what was fetched."""

    title: str
    key: str = ""
    lines: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Model:
    file: str
    readonly: bool = False
    known: Answered = Answered()
    now: float = 0.0  # POSIX seconds
    width: int = 80
    height: int = 24
    screen: int = OVERVIEW
    chosen: str | None = None  # the key of the row
    marked: frozenset[str] = frozenset()  # keys of queues
    position: int = 0  # where it was: its place is taken when it has gone
    top: int = 0  # the first line of a text that is shown
    filter: str = ""
    sort: int = 0
    typing: bool = False  # the filter
    typed: str = ""  # of the number
    question: Question | None = None
    opened: Opened | None = None
    notice: str = ""

    @property
    def trouble(self) -> str | None:
        """Why what is shown is not how things are now; nothing is done then."""
        if self.known.trouble is None and self.known.at and self.now - self.known.at > _LONG_SECONDS:
            return "the controller takes its time"
        return self.known.trouble

    @property
    def body(self) -> int:
        """Lines between the head and the foot."""
        return max(1, self.height - 3 - bool(self.trouble))

    def at(self, screen: int) -> Model:
        return replace(
            self,
            screen=screen,
            chosen=None,
            marked=frozenset(),
            position=0,
            top=0,
            filter="",
            sort=0,
            opened=None,
            notice="",
        )


@dataclass(frozen=True, slots=True)
class Quit:
    """End the program."""


@dataclass(frozen=True, slots=True)
class Fetch:
    """Something to be fetched and opened: "stack" or "log" of `target`, or the "plan"."""

    what: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Count:
    """How many dead letters `arguments` choose; then `verb` ("dead-retry", "dead-purge") is asked about them."""

    verb: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Do:
    """An act that has been confirmed."""

    path: str
    arguments: Mapping[str, Any]


Intent = Quit | Fetch | Count | Do
