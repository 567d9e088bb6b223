"""A log file that rotates and never raises, with its last lines at hand.

Supervisord's own handler raises when it can't rotate (folder gone, disk full), which ends supervisord or
makes it deaf to that program's output: the program then blocks on a full pipe.
"""

from __future__ import annotations

import os
from pathlib import Path

from fleet.private_files import open_private

MAX_BYTES = 10 * 1024 * 1024
BACKUPS = 3
TAIL_BYTES = 8192
TAIL_LINES = 20
LONGEST_LINE = 500


class RotatedLog:
    """Append-only; `path`, then `path.1` … `path.3`, the oldest last."""

    def __init__(self, path: str, *, max_bytes: int = MAX_BYTES, backups: int = BACKUPS) -> None:
        self.path = Path(path)
        self._max_bytes = max_bytes
        self._backups = backups
        self._fd: int | None = None
        self._size = 0
        self._tail = b""

    def write(self, data: bytes) -> None:
        """Best effort: what can't be written is dropped, and the next write tries afresh."""
        self._tail = (self._tail + data)[-TAIL_BYTES:]
        try:
            if self._fd is None:
                self._open()
            if self._size >= self._max_bytes:
                self._rotate()
            self._append(data)
        except OSError:
            self.close()

    def tail(self) -> tuple[str, ...]:
        """The last lines written through this object."""
        lines = self._tail.decode(errors="replace").splitlines()
        if len(self._tail) == TAIL_BYTES:
            lines = lines[1:]  # cut somewhere
        return tuple(line[:LONGEST_LINE] for line in lines[-TAIL_LINES:])

    def forget_tail(self) -> None:
        self._tail = b""

    def close(self) -> None:
        """Also the way to reopen: the next write opens the path again."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def _append(self, data: bytes) -> None:
        assert self._fd is not None
        view = memoryview(data)
        while view:
            written = os.write(self._fd, view)
            self._size += written
            view = view[written:]

    def _open(self) -> None:
        self._fd = open_private(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._size = os.fstat(self._fd).st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(self._backups - 1, 0, -1):
            older = self._numbered(number)
            if older.exists():
                older.replace(self._numbered(number + 1))
        self.path.replace(self._numbered(1))
        self._open()

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")
