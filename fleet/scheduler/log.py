"""The scheduler's log lines on stderr, as those of workers."""

from __future__ import annotations

import sys
import time

from fleet.visible import visible


class Log:
    """Writes `2026-11-22T08:40:00Z WARNING scheduler text`."""

    def info(self, text: str) -> None:
        _write("INFO", text)

    def warning(self, text: str) -> None:
        _write("WARNING", text)

    def error(self, text: str) -> None:
        _write("ERROR", text)


def _write(level: str, text: str) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    try:
        sys.stderr.write(f"{stamp} {level} scheduler {visible(text)}\n")
        sys.stderr.flush()
    except OSError:
        return  # whoever read it is gone
