"""Stacks of a worker's processes as they are just now: asks by a signal, and reads what they write into files.

FILE_SIGNAL's handler is C code that needs no interpreter lock (worker/stacks.py): it answers while a task spins inside
a regular expression or a library that never lets go. It is for those alone that have not answered what is gentler. The
task goes on. Never local variables.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from fleet.private_files import open_private
from fleet.telemetry import ASK_SIGNAL, FILE_SIGNAL

GENTLE_SECONDS = 0.8
"""For who can answer at all, on a busy machine; with SECONDS together, and a command's start, below two."""
SECONDS = 0.8
_QUIET_SECONDS = 0.06
_LOOK_SECONDS = 0.02
_MOST_BYTES = 256 * 1024
_FRAME = re.compile(r'^\s*File "([^"\n]+)", line (\d+),? in (\S+)', re.MULTILINE)
_TASK = ("/fleet/worker/execution.py", "/fleet/celery/runner.py")
_LIBRARIES = (
    *(f"{Path(os.__file__).parent}/", "/site-packages/", "/dist-packages/", "<frozen", "<string>"),
    f"{Path(__file__).resolve().parents[2]}/",
)


class Frame(NamedTuple):
    file: str
    line: int
    function: str

    @property
    def is_own(self) -> bool:
        """The app's, and neither a library's nor fleet's."""
        return not any(library in self.file for library in _LIBRARIES)

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"


class ThreadStack(NamedTuple):
    """Innermost frame first. `runs_task`: as far as can be seen."""

    name: str
    frames: tuple[Frame, ...]
    runs_task: bool

    @property
    def place(self) -> str | None:
        """The innermost frame of the app."""
        return next((str(frame) for frame in self.frames if frame.is_own), None)


def ask(pids: Iterable[int], folders: Iterable[Path]) -> dict[int, str]:
    """What these pool processes write, by pid; without those that keep their interpreter lock. Blocks."""
    return {} if ASK_SIGNAL is None else _take(pids, folders, ASK_SIGNAL, GENTLE_SECONDS)


def force(pids: Iterable[int], folders: Iterable[Path]) -> dict[int, str]:
    """What these processes write, by pid; without those that can't be asked. Blocks.

    Only for those that have not answered otherwise: it is not safe where Python runs (worker/stacks.py).
    """
    return _take(pids, folders, FILE_SIGNAL, SECONDS)


def _take(pids: Iterable[int], folders: Iterable[Path], signum: int, seconds: float) -> dict[int, str]:
    waiting: dict[int, tuple[Path, int]] = {}
    for pid in pids:
        path = next((found for folder in folders if (found := folder / f"{pid}.stacks").exists()), None)
        if path is None or not _listens(pid, signum):
            continue
        with suppress(OSError):
            before = _emptied(path)
            os.kill(pid, signum)
            waiting[pid] = (path, before)
    return dict(_answers(waiting, seconds))


def _listens(pid: int, signum: int) -> bool:
    """Whether it handles the signal, which would end any other process."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
        caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    except (OSError, ValueError, IndexError):
        return False
    return bool(caught >> (signum - 1) & 1)


def _emptied(path: Path) -> int:
    """The size of a file, after what was asked before has been thrown away."""
    fd = open_private(path, os.O_WRONLY | os.O_TRUNC, anybodys=True)
    try:
        return os.fstat(fd).st_size
    finally:
        os.close(fd)


def _answers(waiting: dict[int, tuple[Path, int]], seconds: float) -> Iterator[tuple[int, str]]:
    deadline = time.monotonic() + seconds
    sizes = {pid: (before, time.monotonic()) for pid, (_, before) in waiting.items()}
    open_ones = dict(waiting)
    while open_ones and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
        for pid, (path, before) in list(open_ones.items()):
            size, since, now = _size(path), sizes[pid][1], time.monotonic()
            if size != sizes[pid][0]:
                sizes[pid] = (size, now)
            elif size > before and now - since >= _QUIET_SECONDS:
                del open_ones[pid]
    for pid, (path, before) in waiting.items():
        text = _read(path, before)
        if text:
            yield pid, text


def _size(path: Path) -> int:
    try:
        return path.stat(follow_symlinks=False).st_size
    except OSError:
        return 0


def _read(path: Path, begin: int) -> str:
    try:
        fd = open_private(path, os.O_RDONLY, anybodys=True)
    except OSError:
        return ""
    try:
        return os.pread(fd, _MOST_BYTES, begin).decode("utf-8", "backslashreplace")
    finally:
        os.close(fd)


def threads(text: str) -> list[ThreadStack]:
    """As faulthandler and worker/stacks.py write them, innermost first; those that run a task before the others."""
    found = []
    for block in re.split(r"\n(?=Thread |Current thread )", text):
        head, _, rest = block.strip().partition("\n")
        if frames := _frames(rest):
            found.append(_stack(head.partition(" (most")[0], frames))
    return sorted(found, key=lambda each: not each.runs_task)


def green_threads(text: str) -> list[ThreadStack]:
    """As worker/stacks.py writes them, outermost first."""
    found = []
    for block in re.split(r"^(?=Green thread )", text, flags=re.MULTILINE):
        head, _, rest = block.partition("\n")
        if head.startswith("Green thread") and (frames := _frames(rest)):
            found.append(_stack(head.rstrip(":"), frames[::-1]))
    return [each for each in found if each.runs_task]


def _frames(text: str) -> tuple[Frame, ...]:
    return tuple(Frame(file, int(line), function) for file, line, function in _FRAME.findall(text))


def _stack(name: str, frames: tuple[Frame, ...]) -> ThreadStack:
    is_task = any(frame.file.endswith(_TASK) for frame in frames)
    cut_off = len(frames) >= 100  # faulthandler shows no more: who called the task is not among them
    return ThreadStack(name, frames, is_task or (cut_off and any(frame.is_own for frame in frames)))
