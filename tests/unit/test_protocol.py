"""Messages survive the wire, agree with kombu, and are refused with a reason when they are wrong."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import tracemalloc
import zlib
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kombu import serialization
from kombu.utils import json as kombu_json

from fleet.protocol import Call, Encoded, MalformedMessage, decode, encode

JSON = "application/json"
MINIMAL = {"task": "t", "id": "1"}

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | st.datetimes(timezones=st.just(UTC))
    | st.dates()
    | st.times()
    | st.decimals(allow_nan=False)
    | st.uuids()
)
keys = st.text().filter(lambda key: not key.startswith("__"))
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)
moments = st.none() | st.floats(min_value=0, max_value=4e9).map(lambda moment: round(moment, 3))
limits = st.none() | st.integers(1, 10**6) | st.floats(0.1, 1e6)
names = st.text(min_size=1)
calls = st.builds(
    Call,
    id=names,
    task=names,
    args=st.lists(values, max_size=3).map(tuple),
    kwargs=st.dictionaries(keys, values, max_size=3),
    retries=st.integers(0, 100),
    eta=moments,
    expires=moments,
    time_limit=limits,
    soft_time_limit=limits,
    root_id=names,
    parent_id=st.none() | names,
    reply_to=st.none() | names,
)


def read(
    message: Encoded | None = None,
    *,
    headers: Any = None,
    body: bytes = b"[[], {}, null]",
    content_type: str = JSON,
    content_encoding: str = "utf-8",
    accept: tuple[str, ...] = ("json",),
) -> Call:
    if message is not None:
        headers, body = message.headers, message.body
        content_type, content_encoding = message.content_type, message.content_encoding
    content = Encoded(body, MINIMAL if headers is None else headers, {}, content_type, content_encoding)
    return decode(content, accept=accept)


@given(calls)
def test_a_call_survives_the_wire(call: Call) -> None:
    message = encode(call)
    # What every broker of kombu's does to headers.
    headers = json.loads(json.dumps(message.headers))
    # reply_to travels as a property, for the broker's own use.
    assert message.properties["reply_to"] == (call.reply_to or "")
    back = read(headers=headers, body=message.body)
    assert back == Call(**{**{name: getattr(call, name) for name in Call.__slots__}, "reply_to": None})


@given(values)
def test_extras_are_written_as_kombu_writes_them(value: Any) -> None:
    ours = json.loads(encode(Call("1", "t", (value,))).body)[0][0]
    assert ours == json.loads(kombu_json.dumps(value))


@given(values)
def test_what_kombu_serialises_can_be_read(value: Any) -> None:
    content_type, encoding, body = serialization.dumps([[value], {}, {}], serializer="json")
    read_back = read(body=body.encode(), content_type=content_type, content_encoding=encoding)
    assert read_back.args == (value,)


@pytest.mark.parametrize(
    "value",
    [
        datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
        date(2026, 1, 2),
        time(3, 4, 5),
        Decimal("1.10"),
        UUID(int=7),
        b"text",
        b"\xff\x00",
    ],
)
def test_kombu_reads_what_we_write(value: Any) -> None:
    message = encode(Call("1", "t", (value,)))
    args, _, _ = serialization.loads(message.body, message.content_type, message.content_encoding)
    assert args == [value]


def test_a_message_with_nothing_but_task_and_id_works() -> None:
    call = read(headers={"task": "add", "id": "7"}, body=b"[[6,7],{},null]")
    assert call == Call("7", "add", (6, 7))


def test_a_message_without_content_type_counts_as_json() -> None:
    assert read(content_type="", content_encoding="").task == "t"
    assert read(content_type="application/json; charset=utf-8").task == "t"


def test_times_without_zone_are_utc() -> None:
    call = read(headers={**MINIMAL, "eta": "2026-01-01T00:00:00", "expires": "2026-01-01T01:00:00+01:00"})
    assert call.eta == call.expires == datetime(2026, 1, 1, tzinfo=UTC).timestamp()


def test_headers_of_celery_are_all_there() -> None:
    headers = encode(Call("1", "t", (1,), {"a": 2}), origin="7@host").headers
    assert headers["root_id"] == "1"
    assert headers["timelimit"] == [None, None]
    assert (headers["argsrepr"], headers["kwargsrepr"]) == ("(1,)", "{'a': 2}")
    assert {
        "lang",
        "eta",
        "expires",
        "group",
        "parent_id",
        "origin",
        "ignore_result",
        "stamps",
    } <= headers.keys()


def test_a_long_repr_is_cut() -> None:
    assert len(encode(Call("1", "t", ("x" * 5000,))).headers["argsrepr"]) == 1024


def test_compressed_bodies_are_read() -> None:
    call = read(
        headers={**MINIMAL, "compression": "application/x-gzip"}, body=zlib.compress(b"[[1], {}, null]")
    )
    assert call.args == (1,)


def test_other_serializers_only_when_accepted() -> None:
    content_type, encoding, body = serialization.dumps([[1], {}, None], serializer="pickle")
    with pytest.raises(
        MalformedMessage, match=r"'application/x-python-serialize' is not accepted, only json"
    ):
        read(body=body, content_type=content_type, content_encoding=encoding)
    call = read(body=body, content_type=content_type, content_encoding=encoding, accept=("json", "pickle"))
    assert call.args == (1,)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"headers": {}}, "no `task` header: not a Celery protocol 2 message"),
        ({"headers": {"task": "t"}}, "no `id` header"),
        ({"headers": {**MINIMAL, "task": 3}}, "the `task` header must be text, got a number"),
        ({"headers": {}, "body": b'{"task": "add", "id": "1", "args": []}'}, "message protocol 1"),
        ({"content_type": "text/plain"}, "content type 'text/plain' is not accepted, only json"),
        ({"accept": ("yaml",)}, "content type 'application/json' is not accepted, only yaml"),
        ({"content_encoding": "klingon"}, "unknown content encoding 'klingon'"),
        ({"body": b"\xff"}, "the body is not utf-8 text"),
        ({"body": b"[[1], {"}, "the body is not valid JSON"),
        ({"body": b""}, "the body is not valid JSON"),
        ({"body": b"[" * 200_000}, "the body is not valid JSON"),
        ({"body": b'[[{"__type__": "nonsense", "__value__": 1}], {}, null]'}, "unknown __type__ 'nonsense'"),
        ({"body": b'[[{"__type__": "uuid", "__value__": 1}], {}, null]'}, "not valid JSON"),
        ({"body": b'[[{"__type__": ["x"], "__value__": 1}], {}, null]'}, "not valid JSON"),
        ({"body": b"[[1], {}]"}, r"the body must be \[args, kwargs, embed\], got a list of 2"),
        ({"body": b"{}"}, r"the body must be \[args, kwargs, embed\], got an object"),
        ({"body": b"null"}, "got null"),
        ({"body": b'["abc", {}, null]'}, "args .* must be a list, got text"),
        ({"body": b"[[], [], null]"}, "kwargs .* must be an object with text keys, got a list of 0"),
        ({"body": b"[[], {}, 5]"}, "embed .* must be an object or null, got a number"),
        ({"body": b'[[], {}, {"chain": [1]}]'}, "the message carries chain: fleet's tasks don't run"),
        ({"headers": {**MINIMAL, "eta": "soon"}}, "the `eta` header must be an ISO 8601 time, got 'soon'"),
        ({"headers": {**MINIMAL, "expires": 7}}, "the `expires` header must be an ISO 8601 time, got 7"),
        ({"headers": {**MINIMAL, "retries": "x"}}, "the `retries` header must be a number from 0, got 'x'"),
        ({"headers": {**MINIMAL, "timelimit": 5}}, r"the `timelimit` header must be \[hard, soft\]"),
        ({"headers": {**MINIMAL, "compression": "rot13"}}, "unknown compression 'rot13'"),
        (
            {"headers": {**MINIMAL, "compression": "gzip"}, "body": b"x"},
            "the gzip body can't be decompressed",
        ),
    ],
)
def test_what_is_wrong_is_said(wrong: dict[str, Any], reason: str) -> None:
    with pytest.raises(MalformedMessage, match=reason):
        read(**wrong)


@given(
    headers=st.dictionaries(
        st.sampled_from(["task", "id", "eta", "expires", "retries", "timelimit", "compression", "root_id"]),
        st.none()
        | st.text()
        | st.integers()
        | st.lists(st.integers())
        | st.dictionaries(st.text(), st.text()),
    ),
    body=st.binary() | values.map(lambda value: kombu_json.dumps(value).encode()),
    content_type=st.text() | st.just(JSON),
    encoding=st.text() | st.just("utf-8"),
)
def test_nothing_but_malformed_message_is_ever_raised(
    headers: dict[str, Any], body: bytes, content_type: str, encoding: str
) -> None:
    try:
        read(headers=headers, body=body, content_type=content_type, content_encoding=encoding)
    except MalformedMessage as error:
        assert str(error)


@pytest.mark.parametrize(
    ("call", "culprit"),
    [
        (Call("1", "shop.resize", (1, object())), "shop.resize: argument 2 is not JSON-serialisable: object"),
        (
            Call("1", "shop.resize", (), {"to": {1, 2}}),
            "shop.resize: argument 'to' is not JSON-serialisable: set",
        ),
        (Call("1", "shop.resize", ({(1, 2): 3},)), "shop.resize: argument 1 is not JSON-serialisable"),
    ],
)
def test_what_json_cannot_hold_names_task_and_argument(call: Call, culprit: str) -> None:
    with pytest.raises(TypeError, match=culprit):
        encode(call)


BOMBS = {
    "gzip": gzip.compress(bytes(50_000_000)),
    "zlib": zlib.compress(bytes(50_000_000)),
    "bzip2": bz2.compress(bytes(50_000_000)),
    "lzma": lzma.compress(bytes(50_000_000)),
}


@pytest.mark.parametrize("method", BOMBS)
def test_a_bomb_is_not_decompressed_beyond_what_is_allowed(method: str) -> None:
    headers = {"task": "t", "id": "1", "compression": method}
    tracemalloc.start()
    try:
        with pytest.raises(MalformedMessage, match="more than the 1000000 bytes that"):
            decode(
                Encoded(BOMBS[method], headers, {}),
                accept=("json",),
                most_bytes=1_000_000,
            )
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("method", "pack"),
    [
        ("gzip", gzip.compress),
        ("zlib", zlib.compress),
        ("bzip2", bz2.compress),
        ("xz", lzma.compress),
        ("application/x-gzip", zlib.compress),
    ],
)
def test_what_is_compressed_is_read_up_to_the_last_byte_allowed(method: str, pack: Any) -> None:
    body = json.dumps([["x" * 3_000_000], {}, None]).encode()

    def read(most: int) -> Call:
        return decode(
            Encoded(pack(body), {"task": "t", "id": "1", "compression": method}, {}),
            accept=("json",),
            most_bytes=most,
        )

    assert read(len(body)).args == ("x" * 3_000_000,)
    with pytest.raises(MalformedMessage, match="max_message_size"):
        read(len(body) - 1)


def test_half_a_compressed_body_is_none() -> None:
    for method, whole in BOMBS.items():
        with pytest.raises(MalformedMessage, match="can't be decompressed"):
            decode(
                Encoded(whole[: len(whole) // 2], {"task": "t", "id": "1", "compression": method}, {}),
                accept=("json",),
            )
