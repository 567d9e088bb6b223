"""Records of Python's logging from fleet's own tasks: with time, level, worker, task and message id, on stderr.

Only where the app has not set up logging itself: with a handler at the root logger it is left alone.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from fleet.clock import time
from fleet.tasks.running import running

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def set_up(worker: str, level: str, log_format: str) -> None:
    """Once per process that imports the app; its forks inherit it."""
    root = logging.getLogger()
    if root.handlers:
        return
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines(worker) if log_format == "json" else TextLines(worker))
    root.addHandler(handler)
    root.setLevel(level)


class TextLines(logging.Formatter):
    """`2026-11-22T08:40:00Z WARNING http/0 shop.tasks.resize[5b1f…] shop.images: text`."""

    def __init__(self, worker: str) -> None:
        super().__init__("%(message)s")
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        current = running.get(None)
        task = f" {current.task}[{current.id}]" if current is not None else ""
        return f"{_stamp(record)} {record.levelname} {self._worker}{task} {record.name}: {super().format(record)}"


class JsonLines(logging.Formatter):
    """An object a line; what `extra` has given is in it under its own names."""

    def __init__(self, worker: str) -> None:
        super().__init__()
        self._worker = worker

    def format(self, record: logging.LogRecord) -> str:
        current = running.get(None)
        line: dict[str, Any] = {
            "time": _stamp(record),
            "level": record.levelname,
            "logger": record.name,
            "worker": self._worker,
            "task": None if current is None else current.task,
            "id": None if current is None else current.id,
            "message": record.getMessage(),
        }
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        extra = {name: value for name, value in vars(record).items() if name not in _OWN}
        return json.dumps({**extra, **line}, default=repr)


def _stamp(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z"
