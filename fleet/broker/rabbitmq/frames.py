"""Published messages as AMQP 0-9-1 frames. Pure.

py-amqp does this in many small steps, a call or two for each field; here it is a loop, several times faster.
What is rare it still writes: values that JSON doesn't know.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from math import isfinite
from struct import Struct
from typing import Any

from amqp.serialization import dumps

from fleet.broker.delivery import MessageTooLarge
from fleet.protocol import Encoded
from fleet.protocol.words import cut

METHOD, HEADER, BODY = 1, 2, 3  # kinds of frames
FRAME = Struct(">BHI")  # kind, channel, size of the payload; then that, and END
CONTENT = Struct(">HHQH")  # a header's class, weight, size of the body, and which properties follow
BASIC = 60  # the class of all that has content
END = b"\xce"

# Which properties there are, in the order in which they stand.
CONTENT_TYPE, CONTENT_ENCODING, HEADERS, DELIVERY_MODE, PRIORITY = 1 << 15, 1 << 14, 1 << 13, 1 << 12, 1 << 11
TEXTS_1 = (("correlation_id", 1 << 10), ("reply_to", 1 << 9), ("expiration", 1 << 8), ("message_id", 1 << 7))
TIMESTAMP = 1 << 6
TEXTS_2 = (("type", 1 << 5), ("user_id", 1 << 4), ("app_id", 1 << 3))

_PUBLISH = b"\0\x3c\0\x28\0\0"  # class 60, method 40, and two bytes that mean nothing
_MANDATORY = b"\1"
_LENGTH = Struct(">I")
_TYPED_LENGTH = Struct(">cI")
_INT = Struct(">ci")
_LONG = Struct(">cq")
_DOUBLE = Struct(">cd")


def publish(
    message: Encoded, channel: int, to: tuple[str, str], frame_max: int, *, mandatory: bool = True
) -> bytes:
    """The frames of one basic.publish `to` an exchange with a routing key. `frame_max` 0 is no limit.

    Raises ValueError for names over 255 bytes, FrameSyntaxError for values that no field can hold, MessageTooLarge
    for headers that do not fit into a frame: RabbitMQ would hang up.
    """
    method = _PUBLISH + _name(to[0]) + _name(to[1]) + (_MANDATORY if mandatory else b"\0")
    flags, properties = _properties(message)
    check_room(len(properties), frame_max)
    body, most = message.body, frame_max - FRAME.size - len(END) if frame_max else len(message.body) or 1
    parts = [
        _frame(METHOD, channel, method),
        _frame(HEADER, channel, CONTENT.pack(BASIC, 0, len(body), flags) + properties),
        *(_frame(BODY, channel, body[at : at + most]) for at in range(0, len(body), most)),
    ]
    return b"".join(parts)


def check(message: Encoded, frame_max: int) -> None:
    """Raises what `publish` would raise for its headers and properties."""
    check_room(len(_properties(message)[1]), frame_max)


def check_room(size: int, frame_max: int) -> None:
    room = frame_max - FRAME.size - CONTENT.size - len(END)
    if frame_max and size > room:
        raise MessageTooLarge(
            f"headers and properties take {size} bytes, the broker allows {room} (RabbitMQ's frame_max)"
        )


def _frame(kind: int, channel: int, payload: bytes) -> bytes:
    return FRAME.pack(kind, channel, len(payload)) + payload + END


def _properties(message: Encoded) -> tuple[int, bytes]:
    """(which there are, the properties)."""
    given = message.properties
    flags = CONTENT_TYPE | CONTENT_ENCODING | HEADERS
    parts = [_name(message.content_type), _name(message.content_encoding), _table(message.headers)]
    for name, flag in (("delivery_mode", DELIVERY_MODE), ("priority", PRIORITY)):
        if (number := given.get(name)) is not None:
            flags |= flag
            parts.append(bytes((number,)))
    for name, flag in TEXTS_1:
        if (text := given.get(name)) is not None:
            flags |= flag
            parts.append(_short(text))
    if (moment := given.get("timestamp")) is not None:
        flags |= TIMESTAMP
        parts.append(dumps("L" if isinstance(moment, int) else "T", [moment]))
    for name, flag in TEXTS_2:
        if (text := given.get(name)) is not None:
            flags |= flag
            parts.append(_short(text))
    return flags, b"".join(parts)


@lru_cache(512)
def _name(text: str) -> bytes:
    """Of a header, a queue, a content type: the same few again and again."""
    return _short(text)


def _short(text: str) -> bytes:
    raw = text.encode("utf-8", "backslashreplace")
    if len(raw) > 255:
        raise ValueError(f"AMQP has names of at most 255 bytes, this one has {len(raw)}: {cut(text, 40)}")
    return bytes((len(raw),)) + raw


def _table(table: dict[str, Any]) -> bytes:
    fields = b"".join([part for name, value in table.items() for part in (_name(name), _field(value))])
    return _LENGTH.pack(len(fields)) + fields


def _field(value: Any) -> bytes:
    write = _WRITERS.get(type(value))
    # Without the table's length and the empty name.
    return write(value) if write else bytes(dumps("F", [{"": value}])[5:])


def _text(value: str) -> bytes:
    raw = value.encode("utf-8", "backslashreplace")
    return _TYPED_LENGTH.pack(b"S", len(raw)) + raw


def _number(value: int) -> bytes:
    return _INT.pack(b"I", value) if -(2**31) < value < 2**31 else _LONG.pack(b"L", value)


def _double(value: float) -> bytes:
    if not isfinite(value):
        raise ValueError(f"RabbitMQ has no {value}, and hangs up on whoever sends it")
    return _DOUBLE.pack(b"d", value)


def _array(value: list[Any] | tuple[Any, ...]) -> bytes:
    fields = b"".join(map(_field, value))
    return _TYPED_LENGTH.pack(b"A", len(fields)) + fields


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"V",
    str: _text,
    bool: lambda value: b"t\1" if value else b"t\0",
    int: _number,
    float: _double,
    dict: lambda value: b"F" + _table(value),
    list: _array,
    tuple: _array,
}
