"""The folder in which a worker's fork server listens, and the end of those that crashed workers have left.

multiprocessing's own (`/tmp/pymp-…`) is removed at a worker's orderly end only. Whose worker still lives is told by a
lock, which ends with it: pids come again, and containers that share a /tmp don't see each other's.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from multiprocessing import process, util
from pathlib import Path
from typing import Any

PREFIX = "fleet-pool-"
_LOCK = "in-use"


def use_own() -> None:
    """Have multiprocessing put this process's sockets into a folder of ours, and remove those of the dead."""
    current: Any = process.current_process()
    if current._config.get("tempdir") is None:
        base = Path(tempfile.gettempdir())
        sweep(base)
        folder = make(base)
        util.Finalize(None, remove, args=(folder,), exitpriority=-100)
        current._config["tempdir"] = str(folder)


def make(base: Path) -> Path:
    """In use from its first moment, as long as this process lives."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    making = folder / "making"
    # Never closed. Pool processes don't get it: the fork server is handed what it needs, and no more.
    lock = os.open(making, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    making.rename(folder / _LOCK)  # under this name it is always locked
    return folder


def sweep(base: Path) -> None:
    """Remove what is ours and of nobody who lives."""
    for folder in base.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            found = folder.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and _is_left(folder):
                remove(folder)


def remove(folder: Path) -> None:
    """With the sockets in it; what can't be removed stays."""
    with contextlib.suppress(OSError):
        for entry in folder.iterdir():
            entry.unlink()
        folder.rmdir()


def _is_left(folder: Path) -> bool:
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(lock)
    return True
