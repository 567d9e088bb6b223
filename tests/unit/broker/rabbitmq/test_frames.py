"""What we write and read of AMQP ourselves is what py-amqp would write and read."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from typing import Any

import amqp
import pytest
from amqp.exceptions import UnexpectedFrame
from amqp.serialization import decode_properties_basic, loads
from hypothesis import given
from hypothesis import strategies as some

from fleet.broker.rabbitmq import frames
from fleet.broker.rabbitmq.inbound import Arrived, Assembly, first_frame, read_properties
from fleet.protocol import Encoded

texts = some.text(max_size=40)
numbers = some.integers(-(2**63), 2**63 - 1)
leaves = texts | numbers | some.none() | some.booleans() | some.floats(allow_nan=False, allow_infinity=False)
rare = (
    some.datetimes(timezones=some.just(UTC)).filter(lambda moment: moment.year >= 1970)
    | some.binary(max_size=8)
    | some.decimals(-1000, 1000, places=2)
)
values = some.recursive(
    leaves | rare, lambda inner: some.lists(inner, max_size=4) | some.dictionaries(texts, inner, max_size=4)
)
headers = some.dictionaries(texts, values, max_size=8)
properties = some.fixed_dictionaries(
    {},
    optional={
        "delivery_mode": some.integers(1, 2),
        "priority": some.integers(0, 255),
        **dict.fromkeys(
            ("correlation_id", "reply_to", "expiration", "message_id", "type", "user_id", "app_id"), texts
        ),
        "timestamp": some.integers(0, 2**40),
    },
)


def written_by_amqp(message: Encoded) -> bytes:
    """The payload of its header frame."""
    given = dict(message.properties)
    timestamp = given.pop("timestamp", None)
    theirs = amqp.Message(
        message.body,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        application_headers=message.headers,
        **given,
    )
    if timestamp is not None:
        theirs.properties["timestamp"] = timestamp
        theirs.PROPERTIES = [(name, "L" if name == "timestamp" else kind) for name, kind in theirs.PROPERTIES]
    serialized = theirs._serialize_properties()
    return frames.CONTENT.pack(60, 0, len(message.body), 0)[:-2] + bytes(serialized)


def split(data: bytes) -> list[tuple[int, int, bytes]]:
    found, at = [], 0
    while frame := first_frame(data, at):
        found.append(frame[0])
        at = frame[1]
    assert at == len(data)
    return found


@given(headers, properties)
def test_properties_are_written_as_py_amqp_does(headers: dict[str, Any], properties: dict[str, Any]) -> None:
    message = Encoded(b"[]", headers, properties)
    [_, (kind, channel, header), _] = split(frames.publish(message, 7, ("", "q"), 131_072))
    assert (kind, channel) == (frames.HEADER, 7)
    assert header == written_by_amqp(message)


@given(headers, properties)
def test_properties_are_read_as_py_amqp_does(headers: dict[str, Any], properties: dict[str, Any]) -> None:
    header = written_by_amqp(Encoded(b"", headers, properties))
    theirs, _ = decode_properties_basic(header, frames.CONTENT.size - 2)
    assert read_properties(header) == theirs


@pytest.mark.parametrize(
    "kind", [b"s\0\1", b"x\0\0\0\1a", b"b\1", b"B\1", b"U\0\1", b"i\0\0\0\1", b"f\0\0\0\0"]
)
def test_a_rare_kind_of_field_is_left_to_py_amqp(kind: bytes) -> None:
    table = b"\1a" + kind
    flags = frames.CONTENT.pack(60, 0, 0, frames.HEADERS)
    header = flags + len(table).to_bytes(4) + table
    assert read_properties(header) == decode_properties_basic(header, frames.CONTENT.size - 2)[0]


def test_the_method_says_where_it_goes_and_that_it_must_arrive() -> None:
    [(kind, _, method), *_] = split(frames.publish(Encoded(b"", {}, {}), 1, ("exchange", "key"), 0))
    assert (kind, method[:4]) == (frames.METHOD, b"\0\x3c\0\x28")
    assert loads("Bssb", method, 4)[0] == [0, "exchange", "key", True]


@pytest.mark.parametrize(
    ("size", "frame_max", "pieces"), [(0, 4096, 0), (4088, 4096, 1), (4089, 4096, 2), (9000, 0, 1)]
)
def test_a_body_is_cut_to_the_size_of_frames(size: int, frame_max: int, pieces: int) -> None:
    body = bytes(range(256)) * 40
    found = split(frames.publish(Encoded(body[:size], {}, {}), 1, ("", "q"), frame_max))
    bodies = [payload for kind, _, payload in found if kind == frames.BODY]
    assert len(bodies) == pieces
    assert b"".join(bodies) == body[:size]


def test_a_name_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 255 bytes, this one has 256"):
        frames.publish(Encoded(b"", {}, {}), 1, ("", "q" * 256), 0)


# --- deliveries -----------------------------------------------------------------------------------------


def delivered(message: Encoded, tag: int, redelivered: bool = False) -> list[tuple[int, int, bytes]]:
    """The frames of a delivery, for consumer "q#1"."""
    method = b"\0\x3c\0\x3c\3q#1" + tag.to_bytes(8) + bytes((redelivered,)) + b"\0\1q"
    [_, *content] = split(frames.publish(message, 1, ("", "q"), 4096))
    return [(frames.METHOD, 1, method), *content]


def assembled(pieces: list[tuple[int, int, bytes]]) -> list[Arrived]:
    assembly, found = Assembly(), []
    for kind, _, payload in pieces:
        assert assembly.wants(kind, payload)
        if arrived := assembly.add(kind, payload):
            found.append(arrived)
    return found


@pytest.mark.parametrize("size", [0, 1, 5000, 20_000])
def test_a_delivery_is_put_together(size: int) -> None:
    body = b"x" * size
    message = Encoded(body, {"id": "i"}, {"correlation_id": "i"})
    [first, second] = assembled(delivered(message, 1) + delivered(message, 2**40, redelivered=True))
    assert (first.consumer, first.tag, first.redelivered, first.body) == ("q#1", 1, False, body)
    assert (second.tag, second.redelivered, second.body) == (2**40, True, body)
    assert first.properties["application_headers"] == {"id": "i"}


def test_frames_of_other_methods_are_passed_over() -> None:
    assert not Assembly().wants(frames.METHOD, b"\0\x3c\0\x50" + bytes(9))  # basic.ack
    assert not Assembly().wants(8, b"")


def test_what_does_not_belong_is_an_error() -> None:
    method, header, body = delivered(Encoded(b"abc", {}, {}), 1)
    for pieces in (
        [method, method],
        [method, body],
        [method, header, header],
        [method, header, (3, 1, b"abcd")],
    ):
        with pytest.raises(UnexpectedFrame):
            assembled(pieces)


def test_a_frame_is_taken_when_it_is_whole() -> None:
    data = frames.publish(Encoded(b"abc", {}, {}), 1, ("", "q"), 0)
    [method, *_] = split(data)
    end = len(method[2]) + 8
    assert all(first_frame(data[:length], 0) is None for length in range(end))
    assert first_frame(data[:end], 0) == (method, end)
    with pytest.raises(UnexpectedFrame):
        first_frame(data[: end - 1] + b"\0", 0)


def test_decimals_are_py_amqps_to_write() -> None:
    message = Encoded(b"", {"price": Decimal("1.25")}, {})
    [_, (_, _, header)] = split(frames.publish(message, 1, ("", "q"), 0))
    assert read_properties(header)["application_headers"] == {"price": Decimal("1.25")}
