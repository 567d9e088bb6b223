"""The control protocol between worker and controller: a JSON object a line, both ways.

The worker connects (and reconnects for ever) to `StateDir.control_socket` and sends a Report at once,
whenever its state changes, and every HEARTBEAT_SECONDS; of these it leaves out QUIET_HEARTBEATS in a row at most
while nothing happens but that time passes. Reports are complete, never deltas: a
controller that has just been restarted knows a worker from its next line. The controller sends a Command a
line. Beside reports a worker tells statistics, and answers (see fleet.telemetry). Standard library only.

Worker and controller may be of two versions. A controller takes what it knows of a report, whatever else is in it; one
that is older hangs up on fields that it has never heard of. So a worker leaves NEW_FIELDS out until the controller
has said, with the "inspect" that answers the first report of each connection, which of them it knows.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal, get_args

from fleet.launch_specs import LIVE_SETTINGS
from fleet.spec import Spec

__all__ = [
    "HEARTBEAT_SECONDS",
    "LIVE_SETTINGS",
    "NEW_FIELDS",
    "QUIET_HEARTBEATS",
    "Command",
    "Report",
    "State",
    "read_report",
    "written",
]

HEARTBEAT_SECONDS = 1.0
QUIET_HEARTBEATS = 2

State = Literal["starting", "ready", "draining", "exited"]


@dataclass(frozen=True, slots=True)
class Report(Spec):
    """A worker about itself. Counters since its start."""

    worker: str  # "http/0"
    pid: int
    revision: str
    state: str  # a State
    concurrency: int = 0  # deliveries it may run at once, as it is now; 1 on solo
    live_revision: str = ""  # of the settings it works by now: as launched, or of the last "configure"
    in_flight: int = 0
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    rss_bytes: int = 0
    paused: bool = False
    paused_queues: tuple[str, ...] | None = None  # those that it does not consume; `paused`: that is all
    children: tuple[int, ...] = ()  # pids of pool processes
    broker_error: str | None = None  # why the broker can't be reached; None while connected
    mismatch: bool = False  # the error is a queue that exists with other settings: no outage
    refused: str | None = None  # why the broker, which is there, has not taken something lately
    recycle: str | None = None  # why it asks for a replacement (max_tasks …); it works on until that is ready
    # How long it has been waiting for a delivery; 0 while it has one, is paused or can't reach the broker.
    # Long, while its queues have messages, means that something is wrong.
    idle_seconds: float = 0.0
    trouble: str | None = None  # why it no longer does its work although it lives (a wedged hub …)
    oldest_in_flight_seconds: float = 0.0  # how long what has begun first of all that runs has been running
    still_seconds: float = 0.0  # how long nothing has begun or ended although something runs
    alone: str | None = None  # what runs with nobody beside it, for it may have killed its workers
    warnings: tuple[str, ...] = ()  # what is wrong although it works, with the remedy
    # Neither succeeded nor failed: refused by its task, revoked (both Celery's), or come too late.
    rejected: int = 0
    revoked: int = 0
    expired: int = 0
    # Per task name: [count, wall seconds, CPU seconds]; what `fleet advise` will read.
    tasks: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Command(Spec):
    """The controller to a worker: drain | pause | resume | inspect | configure | ask.

    "inspect" asks for a report now. It may carry {"fields": ["alone"]}: those of NEW_FIELDS that are understood,
    and "statistics", without which the worker tells none.

    "ask" carries {"number": 7, "what": "running"}, "message" with an "id", "ended" or "stacks"; the worker says a
    WorkerAnswer (fleet.telemetry) with that number. Only to workers that have told statistics: others have no answers.

    "pause" carries {"queues": ["io"]}: the queues that are not to be consumed, all others are; without it
    none is. "resume" is "pause" without any queue. `Report.paused_queues` tells.

    "configure" carries {"revision": "5b1f0c2d9a41", "settings": {"concurrency": 8, "prefetch": null}}: names
    of LIVE_SETTINGS, values as in a WorkerSpec; what is not named stays. All of it is applied or, when
    anything in it can't be, nothing: `Report.live_revision` tells. What runs already keeps its time limits.
    """

    do: str
    arguments: dict[str, Any] = field(default_factory=dict)


# Of a Report, younger than the rest.
NEW_FIELDS = frozenset(
    {
        "mismatch",
        "refused",
        "oldest_in_flight_seconds",
        "still_seconds",
        "alone",
        "warnings",
        "rejected",
        "revoked",
        "expired",
    }
)


def written(report: Report, known: frozenset[str]) -> str:
    """A report as JSON for a controller that knows these of the NEW_FIELDS."""
    unknown = NEW_FIELDS - known
    said = report.to_dict()
    return json.dumps({name: value for name, value in said.items() if name not in unknown}, sort_keys=True)


def read_report(line: bytes) -> Report:
    """What a worker of any version says, each value checked. Raises ValueError for what none would say.

    Its process runs other people's code, with `user` even as somebody else, and whatever it says is counted with,
    compared and shown. Texts that are too long are cut: they quote exceptions.
    """
    try:
        said = json.loads(line)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(said, dict):
        raise ValueError(f"expected an object, got {type(said).__name__}")
    if missing := _REQUIRED - said.keys():
        raise ValueError(f"without {', '.join(sorted(missing))}")
    checked = {}
    for name, value in said.items():
        if name not in _CHECKS:
            continue  # of a younger version
        try:
            checked[name] = _CHECKS[name](value)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return Report(**checked)


_LONGEST_TEXT = 2_000
_LARGEST_NUMBER = 2**53  # what JSON readers take for a whole number
_MOST_CHILDREN = 10_000
_MOST_TASKS = 10_000

_Check = Callable[[Any], Any]


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a text, got {type(value).__name__}")
    return value if len(value) <= _LONGEST_TEXT else value[: _LONGEST_TEXT - 1] + "…"


def _state(value: Any) -> str:
    if not isinstance(value, str) or value not in get_args(State):
        raise ValueError("no state of a worker")
    return value


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST_NUMBER:
        raise ValueError("expected a whole number, 0 or more")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value <= _LARGEST_NUMBER:  # NaN isn't, either
        raise ValueError("expected a number, 0 or more")
    return float(value)


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, _list(value, _MOST_TASKS)))


def _pids(value: Any) -> tuple[int, ...]:
    return tuple(map(_whole, _list(value, _MOST_CHILDREN)))


def _tasks(value: Any) -> dict[str, list[float]]:
    if not isinstance(value, dict) or len(value) > _MOST_TASKS:
        raise ValueError("expected an object of tasks")
    if any(len(_list(numbers, 3)) != 3 for numbers in value.values()):
        raise ValueError("expected three numbers a task")
    # Its counts stay whole numbers: they are shown.
    return {_text(name): [_number(each) and each for each in numbers] for name, numbers in value.items()}


def _list(value: Any, most: int) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"expected a list of at most {most}")
    return value


def _or_none(check: _Check) -> _Check:
    return lambda value: None if value is None else check(value)


# By what the fields of Report are annotated with, as it is written there: a field of a new kind needs its check here.
_BY_ANNOTATION: Mapping[str, _Check] = {
    "str": _text,
    "str | None": _or_none(_text),
    "int": _whole,
    "int | None": _or_none(_whole),
    "float": _number,
    "float | None": _or_none(_number),
    "bool": _flag,
    "tuple[int, ...]": _pids,
    "tuple[str, ...]": _texts,
    "tuple[str, ...] | None": _or_none(_texts),
    "dict[str, list[float]]": _tasks,
}
_CHECKS: Mapping[str, _Check] = {
    **{each.name: _BY_ANNOTATION[str(each.type)] for each in fields(Report)},
    "state": _state,
}
_REQUIRED = frozenset(each.name for each in fields(Report) if each.default is each.default_factory is MISSING)
