"""Encoded ⇄ kombu's JSON envelope, the bytes that lie in a Redis list.

fleet's scripts put one key of their own in front, `"fleet": [hand-outs, ready since in ms]`: it travels
with the message through crashes, and kombu ignores it. Messages from elsewhere have none until they come
back once.
"""

from __future__ import annotations

import re
from base64 import b64encode
from binascii import a2b_base64
from typing import Any

from fleet.broker.redis.keys import urgency
from fleet.protocol import Encoded
from fleet.protocol.payload import dumps, loads

_MARK = re.compile(rb'\s*{\s*"fleet":\s*\[(\d+),\s*(\d+)\]')
_MOST = 2**53  # Lua has no larger whole numbers
_OF_THE_ENVELOPE = ("body_encoding", "delivery_tag", "priority")


def seal(message: Encoded, tag: str, exchange: str, routing_key: str) -> bytes:
    """`tag` is the delivery_tag that kombu's consumers acknowledge by.

    Unique. Raises TypeError for odd headers.
    """
    properties = {
        "delivery_mode": 2,
        "delivery_info": {"exchange": exchange, "routing_key": routing_key},
        **message.properties,  # a kombu client has resolved its exchange itself, and says so
        "body_encoding": "base64",
        "delivery_tag": tag,
    }
    if message.properties.get("priority") is not None:
        properties["priority"] = urgency(message.properties["priority"])
    envelope = {
        "body": b64encode(message.body).decode(),
        "content-encoding": message.content_encoding,
        "content-type": message.content_type,
        "headers": message.headers,
        "properties": properties,
    }
    return dumps(envelope).encode()


def unseal(raw: bytes) -> tuple[Encoded, int]:
    """The message, and how often it has been handed out before."""
    message, handed_out, _ = unseal_with_time(raw)
    return message, handed_out


def unseal_with_time(raw: bytes) -> tuple[Encoded, int, float | None]:
    """As `unseal`, and when the message first was ready (see `ready_since`).

    What is no envelope comes as a message whose body is all of it, without headers: decoding that says what
    is wrong, and it ends in the dead-letter queue instead of blocking those behind it.
    """
    try:
        envelope = loads(raw.decode())
        properties: dict[str, Any] = envelope["properties"]
        handed_out, since = _mark(raw)
        message = Encoded(
            _body(envelope.get("body"), properties.get("body_encoding")),
            envelope.get("headers") or {},
            _without_envelope(properties, since > 0),
            envelope.get("content-type") or "",
            envelope.get("content-encoding") or "",
        )
    except MemoryError:
        raise
    except Exception:  # anybody may have put anything there
        return Encoded(raw, {}, {}, "", ""), 0, ready_since(raw)
    return message, handed_out, since / 1000 if since else None


def _mark(raw: bytes) -> tuple[int, int]:
    """Ours, in front. Not the key "fleet" that some client may have put behind it: JSON lets the last one win."""
    found = _MARK.match(raw)
    return (min(int(found[1][:18]), _MOST), int(found[2][:18])) if found else (0, 0)


def ready_since(raw: bytes) -> float | None:
    """When the message first was ready, in seconds of the server's clock; None when no script of ours noted it."""
    _, since = _mark(raw)
    return since / 1000 if since else None


def _body(body: Any, encoding: str | None) -> bytes:
    if encoding == "base64":
        return a2b_base64(body)
    return body.encode() if isinstance(body, str) else dumps(body).encode()


def _without_envelope(properties: dict[str, Any], from_fleet: bool) -> dict[str, Any]:
    """kombu's producers always write a priority, 0 when none was asked for: theirs of 0 counts as none."""
    priority = properties.get("priority")
    info = properties.get("delivery_info")
    if isinstance(info, dict):  # kombu's own number, for Celery's tasks, which see that one
        info["priority"] = 0 if priority is None else priority
    for name in _OF_THE_ENVELOPE:
        properties.pop(name, None)
    if priority is not None and (from_fleet or priority):
        properties["priority"] = urgency(priority)
    return properties
