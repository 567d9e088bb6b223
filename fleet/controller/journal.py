"""The event log on disk: a JSON object a line, and never more than two files of a bounded size."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

MAX_BYTES = 2 * 1024 * 1024


class Journal:
    """Best effort: what can't be written is lost here, and is in the controller's log all the same."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES) -> None:
        self._path = path
        self._max_bytes = max_bytes

    def write(self, entry: dict[str, Any]) -> None:
        # Opened each time: events are rare, and the file may be moved or deleted by others.
        with suppress(OSError):
            fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.write(fd, json.dumps(entry).encode() + b"\n")
                full = os.fstat(fd).st_size >= self._max_bytes
            finally:
                os.close(fd)
            if full:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
