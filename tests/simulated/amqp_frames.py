"""The bytes of AMQP 0-9-1 as a server sees them: frames out of a stream, methods out of frames, and back."""

from __future__ import annotations

from struct import Struct
from typing import Any

from amqp.serialization import dumps, loads

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
GREETING = b"AMQP\x00\x00\x09\x01"
_FRAME = Struct(">BHI")
_METHOD = Struct(">HH")

Frame = tuple[int, int, bytes]  # kind, channel, payload
Method = tuple[int, int]  # class, method

START, START_OK, TUNE, TUNE_OK, OPEN, OPEN_OK = (10, 10), (10, 11), (10, 30), (10, 31), (10, 40), (10, 41)
CLOSE, CLOSE_OK, BLOCKED, UNBLOCKED = (10, 50), (10, 51), (10, 60), (10, 61)
CHANNEL_OPEN, CHANNEL_OPEN_OK, CHANNEL_CLOSE, CHANNEL_CLOSE_OK = (20, 10), (20, 11), (20, 40), (20, 41)
EXCHANGE_DECLARE, EXCHANGE_DECLARE_OK = (40, 10), (40, 11)
QUEUE_DECLARE, QUEUE_DECLARE_OK, QUEUE_BIND, QUEUE_BIND_OK = (50, 10), (50, 11), (50, 20), (50, 21)
QOS, QOS_OK, CONSUME, CONSUME_OK, CANCEL, CANCEL_OK = (
    (60, 10),
    (60, 11),
    (60, 20),
    (60, 21),
    (60, 30),
    (60, 31),
)
PUBLISH, RETURN, DELIVER, GET, GET_OK, GET_EMPTY = (60, 40), (60, 50), (60, 60), (60, 70), (60, 71), (60, 72)
ACK, REJECT, NACK, SELECT, SELECT_OK = (60, 80), (60, 90), (60, 120), (85, 10), (85, 11)

# py-amqp's letters: o octet, B short, l long, L long long, s and S text, F table, b bit
_ARGUMENTS: dict[Method, str] = {
    START_OK: "FsSs",
    TUNE_OK: "BlB",
    OPEN: "ssb",
    CLOSE: "BsBB",
    CLOSE_OK: "",
    CHANNEL_OPEN: "s",
    CHANNEL_CLOSE: "BsBB",
    CHANNEL_CLOSE_OK: "",
    EXCHANGE_DECLARE: "BssbbbbbF",
    QUEUE_DECLARE: "BsbbbbbF",
    QUEUE_BIND: "BsssbF",
    QOS: "lBb",
    CONSUME: "BssbbbbF",
    CANCEL: "sb",
    CANCEL_OK: "s",
    PUBLISH: "Bssbb",
    GET: "Bsb",
    ACK: "Lb",
    REJECT: "Lb",
    SELECT: "b",
}


def split(data: bytes) -> tuple[list[Frame], bytes]:
    """The whole frames at the head of `data`, and the rest."""
    frames: list[Frame] = []
    at = 0
    while len(data) >= at + _FRAME.size:
        kind, channel, size = _FRAME.unpack_from(data, at)
        end = at + _FRAME.size + size
        if len(data) <= end:
            break
        assert data[end] == 0xCE, f"the client wrote a broken frame: {data[at : end + 1]!r}"
        frames.append((kind, channel, data[at + _FRAME.size : end]))
        at = end + 1
    return frames, data[at:]


def read(payload: bytes) -> tuple[Method, list[Any]]:
    method: Method = _METHOD.unpack_from(payload)
    if method not in _ARGUMENTS:
        raise NotImplementedError(f"the simulated RabbitMQ does not know method {method}")
    return method, loads(_ARGUMENTS[method], payload, 4)[0]


def frame(kind: int, channel: int, payload: bytes) -> bytes:
    return _FRAME.pack(kind, channel, len(payload)) + payload + b"\xce"


def write(channel: int, method: Method, letters: str = "", *values: Any) -> bytes:
    """The frame of one method."""
    arguments = dumps(letters, values) if letters else b""
    return frame(METHOD, channel, _METHOD.pack(*method) + arguments)
