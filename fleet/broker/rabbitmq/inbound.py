"""Deliveries put together from AMQP frames. Pure.

py-amqp unpacks a message in a hundred steps, which was most of what a delivery cost. Here it is one loop.
Other frames, and fields that RabbitMQ and its clients hardly ever send, are still py-amqp's to read.
"""

from __future__ import annotations

from collections.abc import Callable
from struct import Struct
from typing import Any, NamedTuple

from amqp.exceptions import UnexpectedFrame
from amqp.serialization import decode_properties_basic

from fleet.broker.rabbitmq.frames import (
    BASIC,
    BODY,
    CONTENT,
    CONTENT_ENCODING,
    CONTENT_TYPE,
    DELIVERY_MODE,
    END,
    FRAME,
    HEADER,
    HEADERS,
    METHOD,
    PRIORITY,
    TEXTS_1,
    TEXTS_2,
    TIMESTAMP,
)
from fleet.protocol.words import cause

_DELIVER = b"\0\x3c\0\x3c"  # class 60, method 60
_TAG = Struct(">QB")
_LONG = Struct(">q")
_TEXT, _VOID = b"SV"


Frame = tuple[int, int, bytes]  # kind, channel, payload


def first_frame(data: bytes, at: int) -> tuple[Frame, int] | None:
    """The frame that begins there, and where it ends; None when it is not whole. Raises UnexpectedFrame."""
    if len(data) < at + FRAME.size:
        return None
    kind, channel, size = FRAME.unpack_from(data, at)
    begin = at + FRAME.size
    end = begin + size
    if len(data) <= end:
        return None
    if data[end] != END[0]:
        raise UnexpectedFrame(f"Received {data[end]:#04x} where a frame should end")
    return (kind, channel, data[begin:end]), end + 1


class Arrived(NamedTuple):
    """A delivery as it came. `properties` are named as py-amqp names them."""

    consumer: str
    tag: int
    redelivered: bool
    properties: dict[str, Any]
    body: bytes
    fault: str = ""  # why the properties can't be read: they are empty then


class Assembly:
    """The deliveries of one channel, whose frames come in turn."""

    def __init__(self) -> None:
        self._method = b""  # of the delivery whose content is still to come
        self._properties: dict[str, Any] = {}
        self._fault = ""
        self._left: int | None = None  # bytes of the body; None before the header
        self._body: list[bytes] = []

    def wants(self, kind: int, payload: bytes) -> bool:
        """Whether this frame is part of a delivery; all others are for somebody else."""
        return bool(self._method) or (kind == METHOD and payload.startswith(_DELIVER))

    def add(self, kind: int, payload: bytes) -> Arrived | None:
        """The delivery, if this was its last frame. Raises UnexpectedFrame."""
        if not self._method:
            self._method = payload
        elif kind == HEADER and self._left is None:
            self._left = CONTENT.unpack_from(payload)[2]
            self._properties, self._fault = _readable(payload)
        elif kind == BODY and self._left is not None and len(payload) <= self._left:
            self._left -= len(payload)
            self._body.append(payload)
        else:
            raise UnexpectedFrame(f"Received frame {kind} within a delivery")
        return self._whole() if self._left == 0 else None

    def _whole(self) -> Arrived:
        method, body = self._method, self._body
        after = 5 + method[4]
        tag, redelivered = _TAG.unpack_from(method, after)
        self._method, self._left, self._body = b"", None, []
        return Arrived(
            method[5:after].decode(),
            tag,
            bool(redelivered & 1),
            self._properties,
            body[0] if len(body) == 1 else b"".join(body),
            self._fault,
        )


def legible(frame: Frame) -> Frame:
    """One that py-amqp can read: where the properties can't be read there are none."""
    kind, channel, payload = frame
    if kind != HEADER:
        return frame
    try:
        decode_properties_basic(payload, CONTENT.size - 2)
    except MemoryError:
        raise
    except Exception:
        return kind, channel, CONTENT.pack(BASIC, 0, CONTENT.unpack_from(payload)[2], 0)
    return frame


def _readable(header: bytes) -> tuple[dict[str, Any], str]:
    """The properties, or why they can't be read: the broker passes on whatever some client wrote."""
    try:
        return read_properties(header), ""
    except MemoryError:
        raise
    except Exception as error:
        return {}, f"malformed message: its headers can't be read: {cause(error)}"


def read_properties(header: bytes) -> dict[str, Any]:
    """From the payload of a header frame."""
    try:
        return _properties(header)
    except KeyError:  # a field of a kind that is none of ours
        return dict(with_text_names(decode_properties_basic(header, CONTENT.size - 2)[0]))


def with_text_names(value: Any) -> Any:
    """py-amqp leaves names that are no UTF-8 as they are."""
    if isinstance(value, dict):
        return {_name(name): with_text_names(inner) for name, inner in value.items()}
    return [with_text_names(inner) for inner in value] if isinstance(value, list) else value


def _name(raw: str | bytes) -> str:
    return raw.decode("utf-8", "surrogateescape") if isinstance(raw, bytes) else raw


def _properties(raw: bytes) -> dict[str, Any]:
    flags = CONTENT.unpack_from(raw)[3]
    found: dict[str, Any] = {}
    at = CONTENT.size
    for name, flag in (("content_type", CONTENT_TYPE), ("content_encoding", CONTENT_ENCODING)):
        if flags & flag:
            found[name], at = _short(raw, at)
    if flags & HEADERS:
        found["application_headers"], at = _table(raw, at)
    for name, flag in (("delivery_mode", DELIVERY_MODE), ("priority", PRIORITY)):
        if flags & flag:
            found[name] = raw[at]
            at += 1
    for name, flag in TEXTS_1:
        if flags & flag:
            found[name], at = _short(raw, at)
    if flags & TIMESTAMP:
        found["timestamp"], at = _LONG.unpack_from(raw, at)[0], at + 8
    for name, flag in TEXTS_2:
        if flags & flag:
            found[name], at = _short(raw, at)
    return found


def _short(raw: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + raw[at]
    return raw[at + 1 : end].decode("utf-8", "surrogateescape"), end


def _table(raw: bytes, at: int) -> tuple[dict[str, Any], int]:
    end = at + 4 + int.from_bytes(raw[at : at + 4])
    at += 4
    table: dict[str, Any] = {}
    while at < end:
        kind = at + 1 + raw[at]
        name = raw[at + 1 : kind].decode("utf-8", "surrogateescape")
        if raw[kind] == _VOID:  # most fields are this, or text: without a call
            table[name], at = None, kind + 1
        elif raw[kind] == _TEXT:
            begin = kind + 5
            at = begin + int.from_bytes(raw[kind + 1 : begin])
            table[name] = _text(raw[begin:at])
        else:
            table[name], at = _field(raw, kind)
    return table, end


def _field(raw: bytes, at: int) -> tuple[Any, int]:
    """The value of a field, and where it ends. Raises KeyError for a kind that is none of ours."""
    return _READERS[raw[at]](raw, at + 1)


def _array(raw: bytes, at: int) -> tuple[list[Any], int]:
    end = at + 4 + int.from_bytes(raw[at : at + 4])
    at += 4
    items = []
    while at < end:
        item, at = _field(raw, at)
        items.append(item)
    return items, end


def _long_text(raw: bytes, at: int) -> tuple[str | bytes, int]:
    end = at + 4 + int.from_bytes(raw[at : at + 4])
    return _text(raw[at + 4 : end]), end


def _text(raw: bytes) -> str | bytes:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw


def _packed(struct: Struct) -> Callable[[bytes, int], tuple[Any, int]]:
    return lambda raw, at: (struct.unpack_from(raw, at)[0], at + struct.size)


_READERS: dict[int, Callable[[bytes, int], tuple[Any, int]]] = {
    _TEXT: _long_text,
    _VOID: lambda _, at: (None, at),
    ord("t"): _packed(Struct("?")),
    ord("I"): _packed(Struct(">i")),
    ord("l"): _packed(_LONG),
    ord("L"): _packed(_LONG),
    ord("d"): _packed(Struct(">d")),
    ord("F"): _table,
    ord("A"): _array,
}
