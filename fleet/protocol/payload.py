"""The bytes of a body ⇄ the value in it: JSON with kombu's extras, and what else `accept` allows.

kombu is imported only for a serializer or compression other than plain JSON: a pool child that decodes
stays small.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

from fleet.protocol.words import MalformedMessage, cause, cut, shown, too_large

_JSON = "application/json"
_SLOW = ("punycode", "idna")  # take quadratic time: a megabyte would keep a worker busy for minutes


def dumps(value: Any) -> str:
    """Raises TypeError, ValueError or RecursionError for what JSON can't hold."""
    return _ENCODER.encode(value)


def loads(text: str) -> Any:
    """What `dumps` wrote, or kombu. Raises ValueError, TypeError and others for what neither would write."""
    # Only kombu's extras need a call per object; nearly no message has any.
    if '"__type__"' in text:
        return json.loads(text, object_hook=_revive)
    if text[:1] in _OPENING:  # no space around it, as a rule, that would have to be looked for
        value, end = _raw_decode(text)
        if end == len(text):
            return value
    return json.loads(text)


class Content(Protocol):
    """What a message carries, as a broker hands it out."""

    @property
    def headers(self) -> Mapping[str, Any]: ...
    @property
    def body(self) -> bytes: ...
    @property
    def content_type(self) -> Any: ...
    @property
    def content_encoding(self) -> Any: ...


def load(message: Content, *, accept: tuple[str, ...], most: int, strict: bool = True) -> Any:
    """The value; empty content type and encoding mean JSON in UTF-8. Raises MalformedMessage.

    A body of more than `most` bytes, decompressed, is refused. Not `strict`: JSON may hold types that somebody has
    registered with kombu.
    """
    body, content_type, encoding = message.body, message.content_type, message.content_encoding
    compression = message.headers.get("compression")
    if len(body) > most:
        raise MalformedMessage(too_large("the body", most))
    # As nearly every message is: the tests below are for the others.
    if strict and content_type == _JSON and encoding == "utf-8" and not compression and "json" in accept:
        return _load_json(body, encoding)
    for name, value in (("content type", content_type), ("content encoding", encoding)):
        if value is not None and not isinstance(value, str):
            raise MalformedMessage(f"the {name} must be text, got {shown(value)}")
    encoding = encoding or "utf-8"
    if not strict and b'"__type__"' in body and not compression:
        return _load_other(body, (content_type or _JSON).partition(";")[0].strip().lower(), encoding, accept)
    if content_type == _JSON and "json" in accept and not compression:
        return _load_json(body, encoding)
    kind = (content_type or _JSON).partition(";")[0].strip().lower()
    if kind == _JSON and ("json" in accept or _JSON in accept):
        return _load_json(_decompress(body, compression, most), encoding)
    return _load_other(_decompress(body, compression, most), kind, encoding, accept)


def _load_json(body: bytes, encoding: str) -> Any:
    if encoding.lower() in _SLOW:
        raise MalformedMessage(f"content encoding {encoding!r} is not accepted: expected utf-8")
    try:
        text = body.decode("utf-8" if encoding == "binary" else encoding)
    except LookupError:
        raise MalformedMessage(f"unknown content encoding {shown(encoding)}: expected utf-8") from None
    except (UnicodeError, ValueError) as error:
        raise MalformedMessage(f"the body is not {cut(encoding, 40)} text: {cause(error)}") from None
    try:
        return loads(text)
    except MemoryError:
        raise
    except Exception as error:  # whatever a value with a `__type__` can make its constructor raise
        raise MalformedMessage(f"the body is not valid JSON: {cause(error)}") from None


def _load_other(body: bytes, content_type: str, encoding: str, accept: tuple[str, ...]) -> Any:
    """What only `accept` in fleet.toml allows: pickle, yaml, msgpack … through kombu's registry."""
    from kombu.serialization import registry

    names = {registry.name_to_type.get(name, name) for name in accept}
    if content_type not in names:
        raise MalformedMessage(
            f"content type {shown(content_type)} is not accepted, only {', '.join(accept)}: "
            "send JSON, or add the serializer to [broker] accept"
        )
    try:
        return registry.loads(bytes(body), content_type, encoding, accept=names)
    except MemoryError:
        raise
    except Exception as error:  # whatever a foreign decoder raises
        raise MalformedMessage(f"the {content_type} body can't be decoded: {cause(error)}") from None


def _decompress(body: bytes, method: Any, most: int) -> bytes:
    if not method:
        return body
    if not isinstance(method, str):
        raise MalformedMessage(f"the `compression` header must be text, got {shown(method)}")
    from fleet.protocol.compression import decompress

    return decompress(body, method, most)


def _reduce(value: Any) -> Any:
    """The types that kombu's JSON adds to JSON's own (kombu/utils/json.py), written as it writes them."""
    reducer: Callable[[], Any] | None = getattr(value, "__json__", None)
    if reducer is not None:
        return reducer()
    for kind, (marker, convert) in _WRITERS.items():  # datetime before date, its base class
        if isinstance(value, kind):
            return {"__type__": marker, "__value__": convert(value)}
    if isinstance(value, bytes):
        try:
            return {"__type__": "bytes", "__value__": value.decode()}
        except UnicodeDecodeError:
            return {"__type__": "base64", "__value__": base64.b64encode(value).decode()}
    raise TypeError(f"{type(value).__name__} is not JSON-serialisable")


def _revive(value: dict[str, Any]) -> Any:
    if value.keys() != {"__type__", "__value__"}:
        return value
    reader = _READERS.get(value["__type__"])
    if reader is None:
        raise ValueError(f"unknown __type__ {value['__type__']!r}")
    return reader(value["__value__"])


_OPENING = ("{", "[")
_raw_decode = json.JSONDecoder().raw_decode
_ENCODER = json.JSONEncoder(default=_reduce)  # json.dumps would make one for each call
_WRITERS: dict[type, tuple[str, Callable[[Any], Any]]] = {
    datetime: ("datetime", datetime.isoformat),
    date: ("date", date.isoformat),
    time: ("time", time.isoformat),
    Decimal: ("decimal", str),
    UUID: ("uuid", lambda value: {"hex": value.hex}),
}
_READERS: dict[str, Callable[[Any], Any]] = {
    "datetime": datetime.fromisoformat,
    "date": lambda text: datetime.fromisoformat(text).date(),
    "time": time.fromisoformat,
    "decimal": Decimal,
    "uuid": lambda parts: UUID(**parts),
    "bytes": str.encode,
    "base64": base64.b64decode,
}
