"""Python values over a stream socket between a worker and its pool processes: a length, then a pickle.

Both ends are the same program of the same user, so pickle is no way in for anybody; bodies pass as bytes. A large
one follows the frame that announces it, as it is: it is copied into the socket and out of it, and nowhere else.
"""

from __future__ import annotations

import pickle
import struct
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any

_LENGTH = struct.Struct("!I")
_READ_SIZE = 256 * 1024
_PIECES_AT_ONCE = 16
NOTHING = object()
APART_BYTES = 32 * 1024  # a body from that size on is worth a piece of its own


def pack(value: Any) -> bytes:
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


class Unpacker:
    """Values out of a stream that arrives in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def add(self, data: bytes) -> None:
        """What has arrived."""
        self._buffer += data

    def feed(self, data: bytes) -> Iterator[Any]:
        """The values that are complete now, where all are wanted and none is followed by something `raw`."""
        self.add(data)
        while (value := self.next()) is not NOTHING:
            yield value

    def next(self) -> Any:
        """The next value; NOTHING when it is not complete yet."""
        if len(self._buffer) < _LENGTH.size:
            return NOTHING
        (length,) = _LENGTH.unpack_from(self._buffer)
        end = _LENGTH.size + length
        if len(self._buffer) < end:
            return NOTHING
        with memoryview(self._buffer) as whole, whole[_LENGTH.size : end] as frame:
            value = pickle.loads(frame)  # noqa: S301
        del self._buffer[:end]
        return value

    def raw(self, sock: Any, size: int) -> bytearray:
        """The `size` bytes behind the frame of the latest value; waits for them on `sock`.

        EOFError when the stream ends before.
        """
        body = bytearray(size)
        have = min(size, len(self._buffer))
        body[:have] = self._buffer[:have]
        del self._buffer[:have]
        with memoryview(body) as view:
            while have < size:
                got = sock.recv_into(view[have:])
                if not got:
                    raise EOFError
                have += got
        return body


class Outbox:
    """What is on its way into a socket that does not block: pieces of a stream, sent from where they lie."""

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        self.put_bytes = 0  # since the beginning
        self.gone_bytes = 0  # of these, those that the socket has taken

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def put(self, piece: bytes) -> None:
        self._pieces.append(memoryview(piece))
        self.put_bytes += len(piece)

    def send(self, sock: Any) -> None:
        """As much as goes without waiting."""
        while self._pieces:
            try:
                sent = sock.sendmsg(islice(self._pieces, _PIECES_AT_ONCE))
            except BlockingIOError:
                return
            self.gone_bytes += sent
            self._forget(sent)

    def _forget(self, sent: int) -> None:
        while self._pieces and sent >= len(self._pieces[0]):
            sent -= len(self._pieces.popleft())
        if sent:
            self._pieces[0] = self._pieces[0][sent:]


def receive(sock: Any) -> bytes:
    """What has arrived; b"" at the end of the stream, also when the other process is gone."""
    try:
        data: bytes = sock.recv(_READ_SIZE)
    except ConnectionError:
        return b""
    return data
