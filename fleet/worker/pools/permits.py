"""The permits of pool processes to begin a delivery, and what became of it. docs/decisions/0030 proves it.

One pair of stream sockets per pool process. On it the worker writes permits, serial numbers of deliveries; the
process reads one before it begins that delivery. The worker holds the other end, too, and takes back what has
not begun by reading permits itself: the kernel gives each to one of the two. Backwards goes an entry for each
delivery that succeeded, written before the next permit is read, so that a process that dies has told all but
the one it was at. Nobody is woken by an entry.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator, Sequence
from typing import NamedTuple

_PERMIT = struct.Struct("=I")
_ENTRY = struct.Struct("=Iddd")
_READ_SIZE = 64 * 1024
SERIALS = 1 << 32  # they start again at 0
BEGUN = -1.0  # as the wall seconds of an entry: this delivery has begun, and is to be acknowledged for that


class Entry(NamedTuple):
    """A delivery that succeeded; `at` (monotonic, the same clock in all processes) it had ended."""

    serial: int
    at: float
    wall_seconds: float
    cpu_seconds: float


class PermitTable:
    """The worker's side. Nothing blocks."""

    def __init__(self) -> None:
        self._ours, self.theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._rest = b""

    def permit(self, serials: Sequence[int]) -> None:
        """Let them begin, in this order. Far fewer than a socket holds: all go or, in theory, none do."""
        if serials:
            self._ours.send(b"".join(map(_PERMIT.pack, serials)))

    def take_back(self) -> list[int]:
        """The permits nobody has read. From now on nobody begins these deliveries."""
        data = _read(self.theirs)
        return [serial for (serial,) in _PERMIT.iter_unpack(data)]

    def unread(self) -> list[int]:
        """The permits nobody has read so far."""
        data = _read(self.theirs, socket.MSG_PEEK)
        return [serial for (serial,) in _PERMIT.iter_unpack(data)]

    def entries(self) -> Iterator[Entry]:
        """What has been written since the last time."""
        data = self._rest + _read(self._ours)
        whole = len(data) - len(data) % _ENTRY.size
        self._rest = data[whole:]
        return map(Entry._make, _ENTRY.iter_unpack(data[:whole]))

    def end(self) -> None:
        """No permits will follow."""
        self._ours.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        self._ours.close()
        self.theirs.close()


class Permits:
    """The process's side."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def take_now(self) -> int | None:
        """The next delivery that may begin, and now has begun. None when there is none; EOFError at the end."""
        try:
            return _serial(self._sock.recv(_PERMIT.size, socket.MSG_DONTWAIT))
        except BlockingIOError:
            return None

    def take(self) -> int:
        """The same, but waits for one."""
        return _serial(self._sock.recv(_PERMIT.size))

    def enter(self, entry: Entry) -> None:
        """The entry is the worker's as soon as this returns, also when this process dies."""
        self._sock.send(_ENTRY.pack(*entry))


def _serial(data: bytes) -> int:
    if not data:
        raise EOFError
    serial: int = _PERMIT.unpack(data)[0]
    return serial


def _read(sock: socket.socket, flags: int = 0) -> bytes:
    try:
        return sock.recv(_READ_SIZE, socket.MSG_DONTWAIT | flags)
    except (BlockingIOError, ConnectionError):
        return b""
