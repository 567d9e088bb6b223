"""The end of a process: what its wait status says, and what is left to do for it."""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reaped:
    """One reaped process. Exactly one of `code` and `signal` is set."""

    pid: int
    status: int  # as of os.wait
    code: int | None
    signal: int | None
    rss_bytes: int


def reap_one(ours: dict[int, object]) -> Reaped | None:
    """Reap a child that has ended, if any. What one of `ours` (by pid) left in its process group is killed
    first.

    First, because as long as the leader is a zombie its number can't belong to anybody else.
    """
    pid = _peek()
    if pid is None:
        return None
    if pid in ours:
        kill_group(pid)
    pid, status, usage = os.wait4(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    return Reaped(
        pid, status, code if code >= 0 else None, -code if code < 0 else None, usage.ru_maxrss * 1024
    )


def kill_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _peek() -> int | None:
    """The pid of a child that has ended, still unreaped."""
    try:
        result = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return None
    return None if result is None else result.si_pid
