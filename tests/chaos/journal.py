"""What tasks and publisher note down, one appended line each, and how it reads back.

Standard library only, and little of it: it is imported by the app, patched or not, and by peers in a venv
that has no fleet. Times are CLOCK_MONOTONIC, which all processes of one machine share.

    s NUMBER PID.COUNT TIME        an execution starts
    e NUMBER PID.COUNT TIME        it has ended
    p NUMBER TRIES BEGUN DONE      the publisher's send has returned, after TRIES calls
"""

from __future__ import annotations

import itertools
import os
import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

_counter = itertools.count()


class Journal:
    """Append-only: a line is one write() below PIPE_BUF, so lines of many processes don't mix."""

    def __init__(self, path: str) -> None:
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def start(self, number: int) -> str:
        """The name of this execution, for `end`."""
        execution = f"{os.getpid()}.{next(_counter)}"
        self._write(f"s {number} {execution} {time.monotonic():.6f}")
        return execution

    def end(self, number: int, execution: str) -> None:
        self._write(f"e {number} {execution} {time.monotonic():.6f}")

    def published(self, number: int, tries: int, begun: float) -> None:
        self._write(f"p {number} {tries} {begun:.6f} {time.monotonic():.6f}")

    def _write(self, line: str) -> None:
        os.write(self._fd, f"{line}\n".encode())


@dataclass(slots=True)
class Execution:
    """One run of one message's task; `ended` None: it was cut short, or still runs."""

    number: int
    pid: int
    started: float
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class Sending:
    """One message's way to the broker."""

    number: int
    tries: int
    begun: float
    done: float


@dataclass(slots=True)
class Reading:
    """Follows a journal: `read()` takes in what was appended since."""

    path: Path
    executions: dict[int, list[Execution]] = field(default_factory=lambda: defaultdict(list))
    sent: dict[int, Sending] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    _open: dict[tuple[str, str], Execution] = field(default_factory=dict)
    _offset: int = 0

    def read(self) -> Reading:
        if not self.path.exists():
            return self
        with self.path.open("rb") as journal:
            journal.seek(self._offset)
            text = journal.read()
        whole = text.rfind(b"\n") + 1
        self._offset += whole
        for line in text[:whole].decode().splitlines():
            self._take(*line.split())
        return self

    def _take(self, kind: str, number: str, what: str, *times: str) -> None:
        moments = [float(each) for each in times]
        if kind == "p":
            self.sent[int(number)] = Sending(int(number), int(what), *moments)
        elif kind == "s":
            execution = Execution(int(number), int(what.partition(".")[0]), moments[0])
            self.executions[int(number)].append(execution)
            self._open[number, what] = execution
        else:
            self._open.pop((number, what)).ended = moments[0]
            self.done.add(int(number))

    @property
    def running(self) -> list[Execution]:
        """Started and not ended, dead ones included."""
        return list(self._open.values())
