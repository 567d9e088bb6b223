"""Supervisors that run, as the kernel shows them: by their command lines, which name the file and the state directory.

What a running fleet was started with is thereby known although its file is empty, or a link leads elsewhere by now.
Nothing is found where there is no /proc.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_MODULE = "fleet.supervisor"
_MODULE_WORD = _MODULE.encode()


@dataclass(frozen=True, slots=True)
class RunningSupervisor:
    """`root` and `file` are paths as they were given, links kept; `home` is the folder in which its lock lies now."""

    pid: int
    uid: int
    root: Path
    file: Path
    env: str | None
    home: Path


def running_supervisors() -> Iterator[RunningSupervisor]:
    """The supervisors of this user; root sees those of everybody."""
    try:
        pids = [int(name) for name in os.listdir("/proc") if name.isdigit()]  # noqa: PTH208
    except OSError:
        return
    for pid in pids:
        if (found := supervisor_of(pid)) is not None:
            yield found


def supervisor_of(pid: int) -> RunningSupervisor | None:
    """None when that process is no supervisor, or somebody else's."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        # Every command looks at every process: no Path is made for the many that are nobody's supervisor.
        with open(f"/proc/{pid}/cmdline", "rb", buffering=0) as file:  # noqa: PTH123
            words = file.read().split(b"\0")
        if _MODULE_WORD not in words[:6]:
            return None
        uid = os.stat(f"/proc/{pid}").st_uid  # noqa: PTH116
        if os.geteuid() not in (0, uid):
            return None
        return _parsed(pid, uid, [os.fsdecode(word) for word in words])
    return None


def _parsed(pid: int, uid: int, words: list[str]) -> RunningSupervisor | None:
    """Raises ValueError, LookupError or OSError for what is no command line of ours."""
    at = words.index(_MODULE)
    command = json.loads(words[at + 2])["command"]
    file = Path(command[command.index("fleet.controller") + 1])
    env = command[command.index("--env") + 1] if "--env" in command else None
    descriptor = words[words.index("--lock-fd") + 1]
    lock = os.readlink(f"/proc/{pid}/fd/{int(descriptor)}")  # noqa: PTH115
    if not lock.endswith("/fleet.lock"):  # deleted, then " (deleted)" is behind it
        return None
    return RunningSupervisor(pid, uid, Path(words[at + 1]), file, env, Path(lock).parent)
