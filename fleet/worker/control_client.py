"""The worker's end of the control socket: reports out, commands in, and no controller is no error.

Non-blocking and without a thread of its own; the watchdog drives it. Built on `unpatched` only.
"""

from __future__ import annotations

from typing import Any

from fleet.control import Command, Report, written
from fleet.telemetry import STATISTICS
from fleet.worker import unpatched
from fleet.worker.backoff import exponential

_BASE_SECONDS = 0.05
_CAP_SECONDS = 1.0
_LONGEST_LINE = 1024 * 1024


class ControlClient:
    """Reconnects for ever. A report that can't go out is dropped: the next one says it all again."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._socket: Any = None
        self._outbox = b""
        self._inbox = b""
        self._tries = 0
        self._try_at = 0.0
        self.known: frozenset[str] = frozenset()  # new fields of reports that this controller understands

    def connect(self, now: float) -> bool:
        """Connect if it is time to try; whether there is a *new* connection, on which to report at once."""
        if self._socket is not None or not self._path or now < self._try_at:
            return False
        sock = unpatched.unix_socket()
        try:
            sock.connect(self._path)
        except OSError:
            sock.close()
            self._try_at = now + exponential(self._tries, base=_BASE_SECONDS, cap=_CAP_SECONDS)
            self._tries += 1
            return False
        self._socket, self._tries = sock, 0
        return True

    def interest(self) -> tuple[int, int] | None:
        """File descriptor and poll events to wait for; None while there is no connection."""
        if self._socket is None:
            return None
        return self._socket.fileno(), unpatched.POLLIN | (unpatched.POLLOUT if self._outbox else 0)

    def retry_in(self, now: float) -> float | None:
        """Seconds until `connect` should be called; None while there is a connection."""
        return None if self._socket is not None or not self._path else max(0.0, self._try_at - now)

    def send(self, report: Report) -> None:
        if self.has_room:
            self.send_line(written(report, self.known))

    @property
    def has_room(self) -> bool:
        """Whether a line would go out now: there is a connection, and nothing is left of the line before."""
        return self._socket is not None and not self._outbox

    def send_line(self, line: str) -> None:
        """For when there is room."""
        self._outbox = line.encode() + b"\n"
        self.flush()

    @property
    def understands_statistics(self) -> bool:
        return STATISTICS in self.known

    def flush(self) -> None:
        try:
            while self._socket is not None and self._outbox:
                self._outbox = self._outbox[self._socket.send(self._outbox) :]
        except BlockingIOError:
            return
        except OSError:
            self._hang_up()

    def receive(self) -> list[Command]:
        """The commands that have arrived; lines that are none are skipped."""
        try:
            data = self._socket.recv(65536) if self._socket is not None else b""
        except BlockingIOError:
            return []
        except OSError:
            data = b""
        if not data or len(self._inbox) > _LONGEST_LINE:
            self._hang_up()
            return []
        *lines, self._inbox = (self._inbox + data).split(b"\n")
        return [command for line in lines if (command := _parse(line)) is not None]

    def _hang_up(self) -> None:
        if self._socket is not None:
            self._socket.close()
        self._socket, self._outbox, self._inbox = None, b"", b""
        self.known = frozenset()


def _parse(line: bytes) -> Command | None:
    try:
        return Command.from_json(line.decode())
    except (ValueError, TypeError, AttributeError):
        return None
