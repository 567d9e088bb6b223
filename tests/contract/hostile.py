"""Messages as nobody should send them, for each broker by the way that lets through most."""

from __future__ import annotations

import base64
import json
import sqlite3
from collections.abc import Callable
from datetime import datetime
from typing import Any

import kombu
from amqp import Message
from hypothesis import strategies as some

from fleet.broker.urls import sqlite_path
from fleet.spec import BrokerSpec
from tests.contract.harness import APP

HUGE = 10**400
EARLIEST, LATEST = datetime(1971, 1, 1), datetime(2500, 1, 1)  # noqa: DTZ001  AMQP's know no zone
LONG = "n" * 70_000
_LARGEST_HEADER = 131_000  # RabbitMQ hangs up on whoever sends a larger one


class Batch(list[Any]):
    """Messages to be sent together. Not to be printed: there are megabytes in it."""

    def __repr__(self) -> str:
        return f"{len(self)} messages"


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


odd_numbers = some.sampled_from(
    [float("nan"), float("inf"), float("-inf"), 1e308, 1e12, -1, 0, 2**31, 2**63, -(2**63) - 1, HUGE, -HUGE]
)
odd_texts = some.sampled_from(["", "\ud800", "\udcff", "\0", "ä\n\x1b[31m", LONG, "9" * 5000, "nan", "1e400"])
scalars = (
    some.none() | some.booleans() | some.integers() | some.floats() | odd_numbers | some.text(max_size=20)
)
values = some.recursive(
    scalars | odd_texts,
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=6,
) | some.just(deep(300))

_FIELDS = (
    *("task", "id", "retries", "eta", "expires", "timelimit", "compression", "root_id", "parent_id"),
    *("x-fleet-crashes", "x-fleet-death", "x-delivery-count", "x-death", "lang", "reply_to", "stamps"),
)
SENSIBLE = {"task": f"{APP}.note", "id": "hostile", "retries": 0}
odd_headers = some.builds(
    lambda changed, more: {**SENSIBLE, **changed, **more},
    some.dictionaries(some.sampled_from(_FIELDS), values, max_size=4),
    some.dictionaries(some.text(max_size=10), values, max_size=2),
)
bodies = (
    some.binary(max_size=60)
    | some.sampled_from([b"", b"[[],{},{}]", b"[" * 5000, b"[[1],{},null]", b"9" * 5000, b'[["x"],{},null]'])
    | values.map(lambda value: json.dumps([[value], {}, None]).encode())
    | values.map(lambda value: json.dumps(value).encode())
)
content_types = some.sampled_from(
    ["application/json", "", "application/x-python-serialize", "text/plain", "a" * 200, "\udcff;;"]
)
encodings = some.sampled_from(
    ["utf-8", "", "binary", "zlib", "idna", "utf-16", "x" * 200, "\0", "unicode_escape"]
)

# Redis: all of it is JSON, or not even that.

_ENVELOPE = ("body", "content-type", "content-encoding", "headers", "properties", "fleet")
_PROPERTIES = (
    "body_encoding",
    "delivery_tag",
    "priority",
    "delivery_info",
    "reply_to",
    "correlation_id",
    "expiration",
)


def _envelope(body: bytes, headers: Any, properties: dict[str, Any], changed: dict[str, Any]) -> bytes:
    sensible = {
        "body": base64.b64encode(body).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": headers,
        "properties": {"body_encoding": "base64", "delivery_tag": "t", **properties},
    }
    return json.dumps({**sensible, **changed}).encode()


envelopes = some.binary(max_size=60) | some.builds(
    _envelope,
    bodies,
    odd_headers | values,
    some.dictionaries(some.sampled_from(_PROPERTIES), values, max_size=2),
    some.dictionaries(some.sampled_from(_ENVELOPE), values, max_size=2),
)

# SQLite: a row with anything in its columns.

cells = some.binary(max_size=40) | some.text(max_size=40).filter(lambda text: text.isascii()) | some.none()
rows = some.tuples(
    some.builds(
        lambda headers, properties, kind, encoding: json.dumps([headers, properties, kind, encoding]),
        odd_headers | values,
        some.dictionaries(some.sampled_from(_PROPERTIES), values, max_size=2) | values,
        content_types | values,
        encodings | values,
    )
    | cells.filter(lambda cell: cell is not None),
    bodies | some.text(max_size=20).filter(lambda text: text.isascii()) | some.integers(0, 2**62),
)

# AMQP: what its fields can hold, in the right places, and bytes that are no text.

amqp_values = some.recursive(
    some.none()
    | some.booleans()
    | some.integers(-(2**63), 2**63 - 1)
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(max_size=20)
    | some.binary(max_size=20)
    | some.datetimes(EARLIEST, LATEST)
    | some.decimals(-1000, 1000, places=2)
    | some.just(LONG),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=6,
) | some.just(deep(200))
amqp_names = some.text(max_size=10) | some.binary(max_size=10)
amqp_messages = some.fixed_dictionaries(
    {
        "body": bodies,
        "application_headers": some.builds(
            lambda changed, more: {**SENSIBLE, **changed, **more},
            some.dictionaries(some.sampled_from(_FIELDS), amqp_values, max_size=3),
            some.dictionaries(amqp_names, amqp_values, max_size=2),
        ),
    },
    optional={
        "content_type": content_types.filter(str.isprintable) | some.just(b"\xff\xfe"),
        "content_encoding": encodings | some.just(b"\xff\xfe"),
        "correlation_id": some.text(max_size=20) | some.binary(max_size=20),
        "reply_to": some.binary(max_size=20),
        "message_id": some.binary(max_size=20),
        "type": some.binary(max_size=20),
        "app_id": some.text(max_size=20),
        "priority": some.integers(0, 255),
        "timestamp": some.datetimes(EARLIEST, LATEST),
    },
)


def post_envelopes(broker: BrokerSpec, queue: str, found: list[bytes]) -> None:
    import redis

    with redis.Redis.from_url(broker.url) as client:
        for raw in found:
            client.lpush(queue, raw)


def post_rows(broker: BrokerSpec, queue: str, found: list[tuple[Any, Any]]) -> None:
    with sqlite3.connect(sqlite_path(broker.url), timeout=30) as file:
        sql = "INSERT INTO messages (queue, priority, published, meta, body) VALUES (?, 0, 0, ?, ?)"
        file.executemany(sql, [(queue, meta, body) for meta, body in found])
    file.close()


def post_amqp(broker: BrokerSpec, queue: str, found: list[dict[str, Any]]) -> None:
    """Those that the client can write, and the broker takes."""
    with kombu.Connection(broker.url) as connection:
        for each in found:
            fields = dict(each)
            message = Message(fields.pop("body"), **fields)
            try:
                size = len(message._serialize_properties())
            except Exception:
                continue
            if size < _LARGEST_HEADER:
                connection.default_channel.basic_publish(message, "", queue)


WAYS: dict[str, tuple[some.SearchStrategy[Any], Callable[[BrokerSpec, str, list[Any]], None]]] = {
    "redis": (envelopes, post_envelopes),
    "sqlite": (rows, post_rows),
    "amqp": (amqp_messages, post_amqp),
}
