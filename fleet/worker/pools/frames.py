"""Python values over a stream socket between a worker and its pool processes: a length, then a pickle.

Both ends are the same program of the same user, so pickle is no way in for anybody; bodies pass as bytes.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Iterator
from typing import Any

_LENGTH = struct.Struct("!I")
_READ_SIZE = 256 * 1024


def pack(value: Any) -> bytes:
    data = pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    return _LENGTH.pack(len(data)) + data


class Unpacker:
    """Values out of a stream that arrives in pieces."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Any]:
        """The values that are complete now."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            value = pickle.loads(memoryview(self._buffer)[_LENGTH.size : end].tobytes())  # noqa: S301
            del self._buffer[:end]
            yield value


def receive(sock: Any) -> bytes:
    """What has arrived; b"" at the end of the stream, also when the other process is gone."""
    try:
        data: bytes = sock.recv(_READ_SIZE)
    except ConnectionError:
        return b""
    return data
