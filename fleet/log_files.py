"""The log files of a fleet: which slot each belongs to, their last lines, and what is added to them.

A worker writes `GROUP.REPLICA.SERIAL.log` (the serial grows with each replacement), the others a file by their
name: `controller.log`, `scheduler.log`, `dashboard.log`. The supervisor renames a full file to `….log.1`, then
`.2`, `.3`.
"""

from __future__ import annotations

import heapq
import os
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from fleet.private_files import open_private
from fleet.slot_names import group_of, slot_file

_BESIDE_WORKERS = re.compile(r"(?P<slot>controller|scheduler|dashboard)\.log(?:\.(?P<age>\d+))?")
_STAMP = re.compile(rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*")
_READ_BYTES = 1 << 16
_CLOCK_IS_COARSE_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file. `slot` is "http/0", or "controller" and the like; `age` counts rotations, 0 is being written."""

    path: Path
    slot: str
    serial: int
    age: int


@dataclass(frozen=True, slots=True)
class Line:
    slot: str
    text: str


Selection = Callable[[str], bool]
"""Whether a slot is wanted."""

Ends = Mapping[Path, int]


def select(wanted: str | None) -> Selection:
    """`wanted` is a group ("http"), a slot ("http/0"), "controller" and the like, or None for everything."""
    if wanted is None:
        return lambda slot: True
    return lambda slot: wanted in (slot, group_of(slot))


def recognise(path: Path) -> LogFile | None:
    """None for a file that is no program's log."""
    if (workers := slot_file(path.name)) is not None and workers.kind == "log":
        return LogFile(path, workers.slot, workers.serial, workers.age)
    if found := _BESIDE_WORKERS.fullmatch(path.name):
        return LogFile(path, found["slot"], 0, int(found["age"] or 0))
    return None


def log_files(folder: Path, wanted: Selection) -> list[LogFile]:
    """The files of wanted slots, each slot's in the order in which they were written."""
    try:
        paths = list(folder.iterdir())
    except FileNotFoundError:
        return []
    found = [file for path in paths if (file := recognise(path)) is not None and wanted(file.slot)]
    return sorted(found, key=lambda file: (file.slot, file.serial, -file.age))


def last_lines(folder: Path, wanted: Selection, count: int, until: Ends | None = None) -> list[Line]:
    """The last `count` lines over all wanted slots, slots merged by the time at the start of their lines.

    `until` are sizes of files, beyond which nothing is read.
    """
    slots: dict[str, list[LogFile]] = {}
    for file in log_files(folder, wanted):
        slots.setdefault(file.slot, []).append(file)
    merged = heapq.merge(
        *(_stamped(slot, files, count, until or {}) for slot, files in slots.items()),
        key=lambda pair: pair[0],
    )
    return list(deque((line for _, line in merged), maxlen=count))


def _stamped(slot: str, files: list[LogFile], count: int, until: Ends) -> Iterator[tuple[bytes, Line]]:
    """Lines that say no time (a task's print, a traceback) belong to the line before them."""
    stamp = b""
    for raw in _tail_of(files, count, until):
        if found := _STAMP.match(raw):
            stamp = max(stamp, found[0])
        yield stamp, Line(slot, _text(raw))


def _tail_of(files: list[LogFile], count: int, until: Ends) -> list[bytes]:
    lines: list[bytes] = []
    for file in reversed(files):
        if len(lines) >= count:
            break
        try:
            lines = _tail(file.path, count - len(lines), until.get(file.path)) + lines
        except OSError:
            continue
    return lines


def _tail(path: Path, count: int, end: int | None) -> list[bytes]:
    """The last `count` lines before `end`, read backwards."""
    with open(open_private(path, os.O_RDONLY, anybodys=True), "rb") as file:  # noqa: PTH123
        size = file.seek(0, os.SEEK_END)
        position = size if end is None else min(end, size)
        data = b""
        while position > 0 and data.count(b"\n") <= count:
            step = min(_READ_BYTES, position)
            position = file.seek(position - step)
            data = file.read(step) + data
    return data.removesuffix(b"\n").split(b"\n")[-count:] if data and count else []


def _text(raw: bytes) -> str:
    return raw.decode(errors="replace").rstrip("\r\n")


@dataclass(slots=True)
class _Followed:
    """One file that is being read; after a rotation its descriptor still is the old file."""

    slot: str
    fd: int
    inode: int
    rest: bytes = b""

    def read(self) -> Iterator[Line]:
        while data := os.read(self.fd, _READ_BYTES):
            *lines, self.rest = (self.rest + data).split(b"\n")
            yield from (Line(self.slot, _text(line)) for line in lines)

    def close(self) -> Iterator[Line]:
        """Give the last, unfinished line."""
        os.close(self.fd)
        if self.rest:
            yield Line(self.slot, _text(self.rest))


def sizes(folder: Path, wanted: Selection) -> dict[Path, int]:
    """How long the files are that are being written now."""
    found = {}
    for file in log_files(folder, wanted):
        if file.age == 0:
            with suppress(FileNotFoundError):
                found[file.path] = file.path.stat().st_size
    return found


@dataclass(slots=True)
class Follower:
    """What is written to the wanted logs beyond `starts`. Asked again and again; holds one descriptor a
    file.
    """

    folder: Path
    wanted: Selection
    starts: Ends
    _files: dict[Path, _Followed] = field(default_factory=dict)
    _known: set[Path] = field(default_factory=set)
    _listed: dict[Path, int] = field(default_factory=dict)
    _listed_of: int | None = None  # the folder's time of change then; None: look again

    def read(self) -> Iterator[Line]:
        """Everything that is new, new files included."""
        current = self._current()
        for path in list(self._files):
            yield from self._continue(path, current.get(path))
        for path in current.keys() - self._files.keys():
            if (file := self._open(path)) is not None:
                yield from file.read()

    def close(self) -> Iterator[Line]:
        """Everything that is left."""
        yield from self.read()
        for file in self._files.values():
            yield from file.close()
        self._files.clear()

    def _continue(self, path: Path, inode: int | None) -> Iterator[Line]:
        file = self._files[path]
        yield from file.read()
        if inode != file.inode:
            yield from file.close()
            del self._files[path]

    def _current(self) -> dict[Path, int]:
        """The files that are being written, with their inodes.

        Listed again when the folder has changed: a fleet of 200 would cost 2 % of a CPU otherwise. The time of
        a change is as coarse as the kernel's clock, so a fresh one may hide another.
        """
        with suppress(FileNotFoundError):
            changed = self.folder.stat().st_mtime_ns
            if changed != self._listed_of:
                self._listed = self._list()
                is_fresh = abs(time.time_ns() - changed) < _CLOCK_IS_COARSE_NANOSECONDS
                self._listed_of = None if is_fresh else changed
            return self._listed
        self._listed, self._listed_of = {}, None
        return self._listed

    def _list(self) -> dict[Path, int]:
        found: dict[Path, int] = {}
        with suppress(FileNotFoundError), os.scandir(self.folder) as entries:
            for entry in entries:
                file = recognise(Path(entry.path))
                if file is not None and file.age == 0 and self.wanted(file.slot):
                    found[file.path] = entry.inode()
        return found

    def _open(self, path: Path) -> _Followed | None:
        file = recognise(path)
        assert file is not None
        try:
            fd = open_private(path, os.O_RDONLY, anybodys=True)
        except OSError:
            return None
        if path not in self._known:
            self._known.add(path)
            os.lseek(fd, self.starts.get(path, 0), os.SEEK_SET)
        self._files[path] = _Followed(file.slot, fd, os.fstat(fd).st_ino)
        return self._files[path]
