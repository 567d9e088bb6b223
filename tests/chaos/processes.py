"""The processes of one fleet, found by a mark in the environment that all inherit, and what each is."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tests.support import marked


@dataclass(frozen=True, slots=True)
class Process:
    """`role`: up | controller | worker | forkserver | child | tracker | other."""

    pid: int
    parent: int
    role: str
    command: str


def processes(mark: str) -> list[Process]:
    """All that live, in order of their pids."""
    seen = {pid: _look(pid) for pid in marked(mark)}
    found = {pid: look for pid, look in sorted(seen.items()) if look is not None}
    return [
        Process(pid, parent, _role(command, found.get(parent, (0, ""))[1]), command)
        for pid, (parent, command) in found.items()
    ]


def _look(pid: int) -> tuple[int, str] | None:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        parent = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None
    return parent, command


def _role(command: str, above: str) -> str:
    if "multiprocessing.forkserver" in command:
        return "child" if "multiprocessing.forkserver" in above else "forkserver"
    for words, role in (
        ("multiprocessing.resource_tracker", "tracker"),
        ("-m fleet.controller", "controller"),
        ("-m fleet.worker", "worker"),
        ("-m fleet.supervisor", "up"),
        ("-m fleet up", "up"),
        ("celery", "child" if "celery" in above else "worker"),
    ):
        if words in command:
            return role
    return "other"


def below(pid: int, among: Iterable[Process]) -> set[int]:
    """`pid` and all that descend from it."""
    among = list(among)
    family = {pid}
    while new := {each.pid for each in among if each.parent in family} - family:
        family |= new
    return family


def kill(pid: int) -> None:
    _signal(pid, signal.SIGKILL)


def kill_family(pid: int, look: Callable[[], list[Process]]) -> set[int]:
    """Kill it; return it and all that descended from it. `look` finds the processes.

    They stand still meanwhile: one that was forked after the look would die unseen.
    """
    stopped: set[int] = set()
    family = {pid}
    while new := family - stopped:
        for each in new:
            _signal(each, signal.SIGSTOP)
        stopped |= new
        family |= below(pid, look())
    kill(pid)
    for each in family - {pid}:
        _signal(each, signal.SIGCONT)
    return family


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)
