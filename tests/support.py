"""What every test may lean on: waiting for a condition, unique names, small process helpers."""

from __future__ import annotations

import fcntl
import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).resolve().parent.parent


def eventually(condition: Callable[[], T], within: float = 10.0, message: str = "") -> T:
    """The first truthy value of `condition()`; AssertionError after `within` seconds.

    The condition is asked again every few milliseconds. An AssertionError inside it counts as "not yet" and
    becomes the cause when time runs out.
    """
    deadline = time.monotonic() + within
    pause = 0.005
    error: AssertionError | None = None
    value: T | None = None
    while True:
        try:
            value, error = condition(), None
        except AssertionError as exc:
            error = exc
        if error is None and value:
            return value
        if time.monotonic() >= deadline:
            what = message or getattr(condition, "__name__", condition)
            raise AssertionError(f"not within {within:g} s: {what} (last: {value!r})") from error
        time.sleep(pause)
        pause = min(pause * 1.5, 0.1)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """In one process at a time: what is made once in `folder` and kept for all processes and runs of tests."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def unique(prefix: str = "t") -> str:
    """A name that no other test, run or process uses."""
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):  # the latter when it ends while it is read
        if Path("/proc/self").exists():
            return False
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return True
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def descendants(pid: int) -> set[int]:
    """Pids of all living processes below `pid`."""
    import psutil

    try:
        return {child.pid for child in psutil.Process(pid).children(recursive=True)}
    except psutil.NoSuchProcess:
        return set()


def marked(mark: str) -> set[int]:
    """Pids of all living processes that were started with `mark` (NAME=VALUE) in their environment.

    Finds what has lost its parents, and never a stranger that got a dead one's pid. Empty without /proc.
    """
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            environment = (folder / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        if mark.encode() in environment and alive(int(folder.name)):
            found.add(int(folder.name))
    return found
