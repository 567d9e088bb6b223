"""The bytes of a body ⇄ the value in it: JSON with kombu's extras, and what else `accept` allows.

kombu is imported only for a serializer or compression other than plain JSON: a pool child that decodes
stays small.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

_JSON = "application/json"


class MalformedMessage(ValueError):  # noqa: N818
    """A message that can never be run. Its text is the reason that goes to the dead-letter queue."""


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


def load(body: bytes, content_type: str, encoding: str, compression: Any, accept: tuple[str, ...]) -> Any:
    """The value; empty content type and encoding mean JSON in UTF-8. Raises MalformedMessage."""
    encoding = encoding or "utf-8"
    if content_type == _JSON and "json" in accept and not compression:
        return _load_json(body, encoding)
    kind = (content_type or _JSON).partition(";")[0].strip().lower()
    if kind == _JSON and ("json" in accept or _JSON in accept):
        return _load_json(_decompress(body, compression), encoding)
    return _load_other(_decompress(body, compression), kind, encoding, accept)


def _load_json(body: bytes, encoding: str) -> Any:
    try:
        text = body.decode("utf-8" if encoding == "binary" else encoding)
    except LookupError:
        raise MalformedMessage(f"unknown content encoding {encoding!r}: expected utf-8") from None
    except (UnicodeError, ValueError) as error:
        raise MalformedMessage(f"the body is not {encoding} text: {error}") from None
    try:
        return loads(text)
    except (ValueError, TypeError, KeyError, ArithmeticError, AttributeError, RecursionError) as error:
        raise MalformedMessage(f"the body is not valid JSON: {error or type(error).__name__}") from None


def _load_other(body: bytes, content_type: str, encoding: str, accept: tuple[str, ...]) -> Any:
    """What only `accept` in fleet.toml allows: pickle, yaml, msgpack … through kombu's registry."""
    from kombu.serialization import registry

    names = {registry.name_to_type.get(name, name) for name in accept}
    if content_type not in names:
        raise MalformedMessage(
            f"content type {content_type!r} is not accepted, only {', '.join(accept)}: "
            "send JSON, or add the serializer to [broker] accept"
        )
    try:
        return registry.loads(body, content_type, encoding, accept=names)
    except Exception as error:  # whatever a foreign decoder raises
        raise MalformedMessage(f"the {content_type} body can't be decoded: {_cause(error)}") from None


def _decompress(body: bytes, method: Any) -> bytes:
    if not method:
        return body
    from kombu.compression import decompress

    try:
        return bytes(decompress(body, method))
    except KeyError:
        raise MalformedMessage(f"unknown compression {method!r}") from None
    except Exception as error:  # zlib.error, lzma.LZMAError, OSError …
        raise MalformedMessage(f"the {method} body can't be decompressed: {_cause(error)}") from None


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


def _cause(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
