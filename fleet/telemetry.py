"""Telemetry of workers for their controller, beside reports: statistics of tasks, groups of errors, answers.

A line is `{"statistics": {…}}` or `{"answer": {…}}` on the control socket (see fleet.control), and only sent to a
controller that has said it understands STATISTICS. Numbers are cumulative since the process was born, and a line has
those that changed since the one before it; a new connection gets all of them. Standard library only.

The numbers of one (queue, task) are one flat list, so that to add, subtract and keep them is the same for all of them.
"""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from fleet.histogram import BUCKETS

STATISTICS = "statistics"
"""What a controller says it understands, among the fields of its "inspect"."""

Ended = Literal["succeeded", "failed", "retried", "rejected", "expired", "lost"]
OUTCOMES: tuple[Ended, ...] = ("succeeded", "failed", "retried", "rejected", "expired", "lost")
SUCCEEDED, FAILED, RETRIED, REJECTED, EXPIRED, LOST = range(6)

# Places in the list of numbers, after those of OUTCOMES.
WALL, CPU, WAITED, UNKNOWN_WAITS, NEGATIVE_WAITS = range(6, 11)
DURATIONS = 11
WAITS = DURATIONS + BUCKETS
SIZE = WAITS + BUCKETS

OTHER = "other"
"""In place of a name: all those beyond what is kept apart."""

MOST_SERIES = 500
MOST_ERRORS = 200
LONGEST_TRACEBACK = 4096
LONGEST_NAME = 200
MOST_RUNNING = 500

# By which the controller asks for stacks; see fleet/worker/stacks.py. The last real-time signals are nobody's.
ASK_SIGNAL = signal.SIGRTMAX - 2 if hasattr(signal, "SIGRTMAX") else None
FILE_SIGNAL = signal.SIGRTMAX - 1 if hasattr(signal, "SIGRTMAX") else signal.SIGUSR1
LONGEST_ANSWER = 512 * 1024  # characters

_MOST = 2.0**53
_BIRTH = re.compile(r"[0-9a-f]{1,64}")


def nothing() -> list[float]:
    """The numbers of a task that has not run yet."""
    return [0] * SIZE


def sparse(numbers: Sequence[float]) -> list[float]:
    """[place, number, place, number …] of those that aren't 0; seconds to the microsecond."""
    flat: list[float] = []
    for place, number in enumerate(numbers):
        if number:
            flat += (place, round(number, 6) if isinstance(number, float) else number)
    return flat


def dense(flat: Iterable[Any]) -> list[float]:
    """What `sparse` was made of. Raises ValueError for what it never makes."""
    numbers, items = nothing(), iter(flat)
    for place in items:
        number = next(items, None)
        if type(place) is not int or not 0 <= place < SIZE or number is None or not _is_number(number):
            raise ValueError("expected places and numbers")
        numbers[place] = number
    return numbers


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and 0 <= value <= _MOST  # NaN isn't, either


class TaskEntry(NamedTuple):
    """One (queue, task) as its worker has counted it. `last_success_at` is a POSIX timestamp, 0: never."""

    queue: str
    task: str
    numbers: list[float]
    last_success_at: float = 0.0


class ErrorEntry(NamedTuple):
    """Failures of one type from one place in the app, as their worker has counted them. Times are POSIX timestamps.

    `id`, `queue`, `task`, `reason` and `traceback` are those of one of them, the latest that was looked at.
    """

    type: str  # "ValueError"
    place: str  # "shop/tasks.py:12 in resize"
    times: int
    first: float
    last: float
    id: str = ""
    queue: str = ""
    task: str = ""
    reason: str = ""
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class Statistics:
    """One line. `birth` is of this process and no other, whatever its pid."""

    worker: str
    pid: int
    birth: str
    tasks: tuple[TaskEntry, ...] = ()
    errors: tuple[ErrorEntry, ...] = ()
    dropped: int = 0  # failures that were counted without being looked at
    last: bool = False  # this process has nothing more to say

    @property
    def group(self) -> str:
        return self.worker.partition("/")[0]

    def to_json(self) -> str:
        said = {
            "worker": self.worker,
            "pid": self.pid,
            "birth": self.birth,
            "tasks": [
                [each.queue, each.task, sparse(each.numbers), each.last_success_at] for each in self.tasks
            ],
            "errors": [list(each) for each in self.errors],
            "dropped": self.dropped,
            "last": self.last,
        }
        return json.dumps({STATISTICS: said})


@dataclass(frozen=True, slots=True)
class WorkerAnswer:
    """What a worker says to the question with that number; `said` is not checked but for its size."""

    pid: int
    to: int
    said: dict[str, Any]

    def to_json(self) -> str:
        return json.dumps({"answer": {"pid": self.pid, "to": self.to, "said": self.said}})


def is_telemetry(line: bytes) -> bool:
    """Whether it is for `read_line`; else it is a report."""
    return line.startswith((b'{"statistics"', b'{"answer"'))


def read_line(line: bytes) -> Statistics | WorkerAnswer:
    """Raises ValueError for what no worker would say: its process runs other people's code."""
    try:
        said = json.loads(line)
        if STATISTICS in said:
            return _statistics(said[STATISTICS])
        answer = said["answer"]
        if not isinstance(answer["said"], dict) or len(line) > 2 * LONGEST_ANSWER:
            raise ValueError("expected an object")
        return WorkerAnswer(_whole(answer["pid"]), _whole(answer["to"]), answer["said"])
    except (KeyError, TypeError, IndexError, RecursionError) as error:
        raise ValueError(f"no statistics: {error!r}") from None


def _statistics(said: dict[str, Any]) -> Statistics:
    birth = _text(said["birth"], 64)
    if not _BIRTH.fullmatch(birth):
        raise ValueError("birth: expected hexadecimal digits")
    if len(said["tasks"]) > MOST_SERIES + 1 or len(said["errors"]) > MOST_ERRORS + 1:
        raise ValueError("too many")
    return Statistics(
        _text(said["worker"]),
        _whole(said["pid"]),
        birth,
        tuple(
            TaskEntry(_text(queue), _text(task), dense(numbers), _moment(at))
            for queue, task, numbers, at in said["tasks"]
        ),
        tuple(map(_error, said["errors"])),
        _whole(said.get("dropped", 0)),
        said.get("last") is True,
    )


def _error(said: Sequence[Any]) -> ErrorEntry:
    kind, place, count, first, last, ident, queue, task, reason, traceback = said
    return ErrorEntry(
        *(_text(kind), _text(place, 500), _whole(count), _moment(first), _moment(last), _text(ident)),
        *(_text(queue), _text(task), _text(reason, 1000), _text(traceback, LONGEST_TRACEBACK)),
    )


def _text(value: Any, most: int = LONGEST_NAME) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected a text, got {type(value).__name__}")
    return value[:most].encode("utf-8", "backslashreplace").decode()  # no halves of surrogate pairs


def _whole(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= _MOST:
        raise ValueError("expected a whole number, 0 or more")
    return value


def _moment(value: Any) -> float:
    if not _is_number(value):
        raise ValueError("expected a moment")
    return float(value)


FOLDER = "worker-files"
"""In the state directory: what workers leave there. Those of other users have one each, see `foreign_folder`."""


def foreign_folder(uid: int) -> str:
    """Where workers of that user leave theirs, relative to the state directory."""
    return f"handed/{FOLDER}.{uid}"


def worker_folder(state_dir: str) -> str | None:
    """Where this process may leave files for the controller; None when nowhere: an older one has made no folder."""
    if not state_dir:
        return None
    for name in (FOLDER, foreign_folder(os.getuid())):
        folder = os.path.join(state_dir, name)  # noqa: PTH118  pathlib is not needed for that
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
    return None
