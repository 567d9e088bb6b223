"""The event log on disk: a JSON object a line, and never more than two files of a bounded size."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

from fleet.private_files import open_private

MAX_BYTES = 2 * 1024 * 1024


class Journal:
    """Best effort: what can't be written is lost here, and is in the controller's log all the same.

    `error` is why the last entry could not be written, None when it was.
    """

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self.error: OSError | None = None

    def entries(self) -> list[dict[str, Any]]:
        """All that lies there, the oldest first; without what can't be read."""
        found = []
        for path in (self._path.with_name(f"{self._path.name}.1"), self._path):
            try:
                fd = open_private(path, os.O_RDONLY)
            except OSError:
                continue
            with os.fdopen(fd, "rb") as file:
                found += [entry for line in file if (entry := _entry(line)) is not None]
        return found

    def write(self, entry: dict[str, Any]) -> None:
        # Opened each time: events are rare, and the file may be moved or deleted by others.
        try:
            self._write(json.dumps(entry).encode() + b"\n")
            self.error = None
        except OSError as error:
            self.error = error

    def _write(self, line: bytes) -> None:
        fd = open_private(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        try:
            before = os.fstat(fd)
            if os.write(fd, line) < len(line):
                os.ftruncate(fd, before.st_size)  # half an entry would spoil the next one
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        finally:
            os.close(fd)
        if before.st_size + len(line) >= self._max_bytes:
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))


def _entry(line: bytes) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    known = isinstance(entry, dict) and type(entry.get("sequence", 0)) is int
    return entry if known else None
