"""What tasks leave behind, for any library in any process: counts and moments, in a file mapped by each.

A task that does nothing costs a microsecond; what it writes here must cost less. So each process has a file
of a few numbers in $BENCH_MARKS, and whoever measures adds them up. Moments are of CLOCK_MONOTONIC, in ns.
Standard library only: the peers' Python imports it, too.
"""

from __future__ import annotations

import itertools
import mmap
import os
import struct
import time
from pathlib import Path
from typing import Any

DONE, FIRST, LAST = 0, 1, 2  # tasks ended; when the first began; when the last ended
_FIELDS = struct.Struct("QQQ")


class Marks:
    """Of this process; opened at the first task, anew in a forked process."""

    def __init__(self) -> None:
        self._numbers: Any = None
        self._count = itertools.count(1)
        os.register_at_fork(after_in_child=self._forget)

    def _forget(self) -> None:
        self._numbers = None
        self._count = itertools.count(1)

    def _open(self) -> Any:
        began = time.monotonic_ns()
        path = Path(os.environ["BENCH_MARKS"]) / str(os.getpid())
        # Never emptied: two threads may both come here, and who writes to a map whose file is empty is killed.
        file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.ftruncate(file, _FIELDS.size)
        self._numbers = memoryview(mmap.mmap(file, _FIELDS.size)).cast("Q")
        os.close(file)
        self._numbers[FIRST] = began
        return self._numbers

    def began(self) -> None:
        if self._numbers is None:
            self._open()

    def ended(self, *, timed: bool = False) -> None:
        numbers = self._numbers or self._open()
        numbers[DONE] = next(self._count)
        if timed:
            numbers[LAST] = time.monotonic_ns()

    def wrote(self, *numbers: int) -> None:
        """A measurement of one task; few, so that a file will do."""
        with (Path(os.environ["BENCH_MARKS"]) / f"{os.getpid()}.list").open("a") as file:
            file.write(" ".join(map(str, numbers)) + "\n")


def read(folder: Path) -> list[tuple[int, int, int]]:
    """(DONE, FIRST, LAST) of each process."""
    found = []
    for path in folder.iterdir():
        data = b"" if path.suffix else path.read_bytes()
        if len(data) == _FIELDS.size:
            found.append(_FIELDS.unpack(data))
    return found


def done(folder: Path) -> int:
    return sum(numbers[DONE] for numbers in read(folder))


def listed(folder: Path) -> list[tuple[int, ...]]:
    """What tasks have written, a tuple each; a line that is still being written is left out."""
    lines = [line for path in folder.glob("*.list") for line in path.read_text().splitlines(keepends=True)]
    return [tuple(map(int, line.split())) for line in lines if line.endswith("\n")]
