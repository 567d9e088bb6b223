"""What tasks and publisher note down, one appended line each, and how it reads back.

Standard library only, and little of it: it is imported by the app, patched or not, and by peers in a venv
that has no fleet. Times are CLOCK_MONOTONIC, which all processes of one machine share.

    w PID PARENT GRANDPARENT       who runs tasks; in prefork the grandparent is the worker
    s NUMBER PID.COUNT TIME        an execution starts
    e NUMBER PID.COUNT TIME        it has ended, and the message is done
    r NUMBER PID.COUNT TIME        it has ended, and asks for a retry
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

    def process(self) -> None:
        """Note whose child this process is."""
        parent = os.getppid()
        self._write(f"w {os.getpid()} {parent} {_parent_of(parent)}")

    def again(self, number: int, execution: str) -> None:
        self._write(f"r {number} {execution} {time.monotonic():.6f}")

    def end(self, number: int, execution: str) -> None:
        self._write(f"e {number} {execution} {time.monotonic():.6f}")

    def published(self, number: int, tries: int, begun: float) -> None:
        self._write(f"p {number} {tries} {begun:.6f} {time.monotonic():.6f}")

    def _write(self, line: str) -> None:
        os.write(self._fd, f"{line}\n".encode())


def _parent_of(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except OSError:
        return 0


@dataclass(slots=True)
class Execution:
    """One run of one message's task; `ended` None: it was cut short, or still runs."""

    number: int
    pid: int
    started: float
    ended: float | None = None
    asked: bool = False  # for a retry


@dataclass(frozen=True, slots=True)
class Sending:
    """One message's way to the broker."""

    number: int
    tries: int
    begun: float
    done: float
    previous: float = 0.0  # when the one before it was done; in between nothing was on its way


@dataclass(slots=True)
class Reading:
    """Follows a journal: `read()` takes in what was appended since."""

    path: Path
    executions: dict[int, list[Execution]] = field(default_factory=lambda: defaultdict(list))
    sent: dict[int, Sending] = field(default_factory=dict)
    done: set[int] = field(default_factory=set)
    families: dict[int, set[int]] = field(default_factory=dict)
    origin: float = 0.0  # when the first message was sent
    _sent_last: float = 0.0
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
        if kind == "w":
            self.families[int(number)] = {int(number), int(what), int(times[0])}
            return
        moments = [float(each) for each in times]
        if kind == "p":
            begun, done = moments
            self.sent[int(number)] = Sending(int(number), int(what), begun, done, self._sent_last or begun)
            self.origin = self.origin or begun
            self._sent_last = done
        elif kind == "s":
            execution = Execution(int(number), int(what.partition(".")[0]), moments[0])
            self.executions[int(number)].append(execution)
            self._open[number, what] = execution
        else:
            execution = self._open.pop((number, what))
            execution.ended, execution.asked = moments[0], kind == "r"
            if kind == "e":
                self.done.add(int(number))

    def family(self, pid: int) -> set[int]:
        """The process itself, its parent and its grandparent."""
        return self.families.get(pid, {pid})

    @property
    def running(self) -> list[Execution]:
        """Started and not ended, dead ones included."""
        return list(self._open.values())
