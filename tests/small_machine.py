"""A small machine for real processes: CPU affinity, open files, and where it may be made a cgroup with half a CPU."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support import eventually, unique

_CGROUPS = Path("/sys/fs/cgroup")
_PERIOD = 100_000  # microseconds
Limits = Callable[[], None]
"""Run in a process that has been forked, before it becomes another program."""


def one_cpu() -> None:
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def few_files() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))


@contextmanager
def cgroup(*, cpus: float, memory: int) -> Iterator[Limits | None]:
    """What puts a process into a cgroup of its own, below ours; None where none can be made. v1 and v2."""
    files = {
        "cpu": [("cpu.cfs_period_us", f"{_PERIOD}"), ("cpu.cfs_quota_us", f"{int(cpus * _PERIOD)}")],
        "memory": [("memory.limit_in_bytes", str(memory))],
        "": [("cpu.max", f"{int(cpus * _PERIOD)} {_PERIOD}"), ("memory.max", str(memory))],
    }
    name, made = unique("fleet-small"), list[Path]()
    try:
        for controller, parent in _parents():
            folder = parent / name
            folder.mkdir()
            made.append(folder)
            for file, text in files[controller]:
                (folder / file).write_text(text)
    except OSError:
        _remove(made)
        yield None
        return
    if not made:
        yield None
        return

    def enter() -> None:
        for folder in made:
            (folder / "cgroup.procs").write_text(str(os.getpid()))

    try:
        yield enter
    finally:
        _remove(made)


def _parents() -> Iterator[tuple[str, Path]]:
    """(controller, our cgroup of it); of v2, which has one tree for all, the controller is ""."""
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            if controller in ("cpu", "memory"):
                yield controller, _CGROUPS / controller / path.lstrip("/")
        if not controllers and (_CGROUPS / "cgroup.controllers").exists():
            yield "", _CGROUPS / path.lstrip("/")


def _remove(folders: list[Path]) -> None:
    for folder in folders:
        with suppress(FileNotFoundError):
            eventually(lambda folder=folder: _is_gone(folder), within=30)


def _is_gone(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # a process that has ended is there a moment longer
        return False
    return True
