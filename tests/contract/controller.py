"""A controller for one worker: keeps what it reports, and sends it commands."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from pathlib import Path
from typing import Any

from fleet.control import Command, Report
from tests.support import eventually


class Controller:
    """Listens until it is closed. `last` is what the worker said last."""

    def __init__(self, folder: Path) -> None:
        self.path = str(folder / "control")
        self.last: Report | None = None
        self.heard: list[Report] = []
        self._connection: socket.socket | None = None
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def command(self, do: str, **arguments: Any) -> None:
        self.report()
        assert self._connection is not None
        self._connection.sendall(Command(do, arguments).to_json().encode() + b"\n")

    def report(self, within: float = 15.0, **expected: Any) -> Report:
        """Wait for a report with these fields."""

        def matching() -> Report | None:
            last = self.last
            fits = last is not None and all(getattr(last, name) == want for name, want in expected.items())
            return last if fits else None

        return eventually(matching, within=within, message=f"a report with {expected}; the last: {self.last}")

    def close(self) -> None:
        for each in (self._connection, self._listener):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)
                each.close()
        self._thread.join(5)

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._connection, _ = self._listener.accept()
                with self._connection.makefile("rb") as lines, contextlib.suppress(OSError):
                    for line in lines:
                        self.last = Report.from_dict(json.loads(line))
                        self.heard.append(self.last)
