"""Log lines on stderr for a person at three in the morning; none for a task that went well.

Not the logging module: it may not be loaded before a green pool patches, its locks are not safe to share
between green threads and the watchdog's real thread, and a record per task is too dear.
"""

from __future__ import annotations

from fleet.clock import time
from fleet.visible import indented_lines, visible
from fleet.worker import stdio

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_STDERR = 2


class Log:
    """Writes `2026-11-22T08:40:00Z WARNING http/0 text`, each line in one piece, from any thread."""

    def __init__(self, worker: str, level: str = "info") -> None:
        self._worker = worker
        self._threshold = _LEVELS.get(level.lower(), _LEVELS["info"])

    def debug(self, text: str) -> None:
        self._write("debug", text)

    def info(self, text: str) -> None:
        self._write("info", text)

    def warning(self, text: str, trace: str | None = None) -> None:
        self._write("warning", text, trace)

    def error(self, text: str, trace: str | None = None) -> None:
        self._write("error", text, trace)

    def _write(self, level: str, text: str, trace: str | None = None) -> None:
        """`trace` follows in lines of its own, indented: none of them can be taken for one of the log's."""
        if _LEVELS[level] < self._threshold:
            return
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        line = f"{stamp} {level.upper()} {self._worker} {visible(text.rstrip())}\n"
        if trace:
            line += indented_lines(trace.rstrip()) + "\n"
        try:
            stdio.write(_STDERR, line.encode(errors="backslashreplace"))
        except OSError:
            return  # whoever read stderr is gone; a worker that drains must not die of it
