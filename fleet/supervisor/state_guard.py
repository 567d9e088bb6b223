"""The state-directory guard of the supervisor: keeps its lock and its socket. Whoever deletes them, or all of the
directory, must get neither a second supervisor nor one that can't be reached.
"""

from __future__ import annotations

import fcntl
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from fleet.private_files import open_private
from fleet.release_link import follow
from fleet.statedir import StateDir
from fleet.supervisor import lock

LOOK_EVERY_SECONDS = 5.0
LOOK_BEHIND_LINK_SECONDS = 1.0  # until it has followed, who comes by the link finds nothing


class StateGuard:
    """`server_fd` is the descriptor that the RPC server listens on; both descriptors keep their numbers."""

    def __init__(
        self, state: StateDir, lock_fd: int, server_fd: Callable[[], int], reopen_logs: Callable[[], None]
    ) -> None:
        self._state = state
        self._lock_fd = lock_fd
        self._server_fd = server_fd
        self._reopen_logs = reopen_logs
        self._socket: tuple[int, int] | None = None
        self._look_at = 0.0

    def deadline(self) -> float:
        return self._look_at

    def look(self) -> str | None:
        """If it is time: put back what is missing; what there is to say about it. Raises OSError."""
        now = time.monotonic()
        if now < self._look_at:
            return None
        behind_link = os.path.realpath(self._state.root) != str(self._state.root)
        self._look_at = now + (LOOK_BEHIND_LINK_SECONDS if behind_link else LOOK_EVERY_SECONDS)
        if self._socket is None:
            self._socket = _identity(self._state.supervisor_socket)
        if self._holds_lock() and _identity(self._state.supervisor_socket) == self._socket:
            return None
        stays, home = "", self._home()
        if home is not None and home.is_dir() and not self._state.root.parent.is_dir():
            return None  # the link to it is being made anew: a folder of ours must not take its place
        try:
            if home is not None and follow(self._state, home):
                return f"the state directory was {home}: it has followed the link to {self._state.root}"
        except OSError as error:
            stays = f"; what was in the old one stays there, for it can't be moved: {error}"
        self._state.create()
        if not self._holds_lock() and not self._take_lock():
            return "another supervisor has taken the state directory: going on without one"
        if _identity(self._state.supervisor_socket) != self._socket:
            self._listen_again()
        self._reopen_logs()
        return f"the state directory was deleted: made again{stays}"

    def _home(self) -> Path | None:
        """Where the lock lies that we hold, whatever leads there; None when it lies nowhere any more."""
        try:
            path = os.readlink(f"/proc/self/fd/{self._lock_fd}")  # noqa: PTH115
        except OSError:
            return None
        return None if path.endswith(" (deleted)") else Path(path).parent

    def _holds_lock(self) -> bool:
        found = os.fstat(self._lock_fd)
        return _identity(self._state.lock) == (found.st_dev, found.st_ino)

    def _take_lock(self) -> bool:
        fd = open_private(self._state.lock, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.dup2(fd, self._lock_fd, inheritable=False)
        except BlockingIOError:
            return False
        finally:
            os.close(fd)
        lock.write_pid(self._lock_fd)
        return True

    def _listen_again(self) -> None:
        path = self._state.supervisor_socket
        with suppress(FileNotFoundError):
            path.unlink()
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            path.chmod(0o700)
            listener.listen(128)
            listener.setblocking(False)
            os.dup2(listener.fileno(), self._server_fd(), inheritable=False)
        self._socket = _identity(path)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
