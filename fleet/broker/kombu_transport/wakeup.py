"""Ends a wait from another thread: a pipe that is readable from `set` to `clear`."""

from __future__ import annotations

import os
import threading
from contextlib import suppress


class Wakeup:
    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        for descriptor in (self._reading, self._writing):
            os.set_blocking(descriptor, False)
        self.is_set = False
        self._closed = False
        self._lock = threading.RLock()  # reentrant: __del__ may run in any thread at any moment

    def fileno(self) -> int:
        return self._reading

    def set(self) -> None:
        """From any thread."""
        if self.is_set:
            return
        with self._lock, suppress(OSError):
            if not self._closed:  # else the number may be somebody else's by now
                self.is_set = True
                os.write(self._writing, b"\0")

    def clear(self) -> None:
        """By the one thread that waits, before it looks at what it was woken for."""
        if self.is_set:
            with self._lock, suppress(OSError):
                self.is_set = False
                os.read(self._reading, 4096)

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self._reading)
                os.close(self._writing)

    def __del__(self) -> None:
        self.close()
