"""One supervisor per state directory: an flock that ends with the process, however it ends."""

from __future__ import annotations

import fcntl
import os
import time

from fleet.statedir import StateDir

_TRIES = 5
_BETWEEN_TRIES_SECONDS = 0.02


class AlreadyRunning(RuntimeError):  # noqa: N818
    """Another supervisor holds the lock. `pid` is 0 in the instant before it has written its own."""

    def __init__(self, pid: int) -> None:
        super().__init__(f"already running, with pid {pid}" if pid else "already running")
        self.pid = pid


def take(state: StateDir) -> int:
    """The descriptor that holds the lock; keep it open. The state directory must exist. Raises
    AlreadyRunning.
    """
    from fleet.private_files import open_private  # not loaded by who only looks

    fd = open_private(state.lock, os.O_RDWR | os.O_CREAT)
    # More than once: somebody may be just looking, see `holder`.
    for _ in range(_TRIES):
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_BETWEEN_TRIES_SECONDS)
        else:
            write_pid(fd)
            return fd
    pid = _read_pid(fd)
    os.close(fd)
    raise AlreadyRunning(pid)


def write_pid(fd: int) -> None:
    """Say that this process holds the lock: again after a fork."""
    os.ftruncate(fd, 0)
    os.pwrite(fd, f"{os.getpid()}\n".encode(), 0)


def holder(state: StateDir) -> int | None:
    """The pid of the running supervisor; None when none runs. A pid left in the file by a dead one doesn't
    count.
    """
    try:
        fd = os.open(state.lock, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _read_pid(fd)
    finally:
        os.close(fd)
    return None


def _read_pid(fd: int) -> int:
    text = os.pread(fd, 32, 0).strip()
    return int(text) if text.isdigit() else 0
