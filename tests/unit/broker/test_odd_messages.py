"""Whatever lies in a broker can be taken out, and put aside in a way that this broker takes."""

from __future__ import annotations

import json
from struct import pack
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some

from fleet.broker.delivery import Death, Delivery, MessageTooLarge
from fleet.broker.leased.consumer import to_delivery
from fleet.broker.leased.store import Claim
from fleet.broker.rabbitmq import frames
from fleet.broker.rabbitmq.inbound import Assembly, legible
from fleet.broker.redis.envelope import seal, unseal
from fleet.broker.reposting import DEATH_HEADER, dead_letter, given_back, retried, shorter_dead_letters
from fleet.broker.sqlite.rows import to_claim
from fleet.protocol import Encoded
from tests.contract.hostile import LONG, amqp_values, bodies, envelopes, odd_headers, rows

FRAME_MAX = 131_072
DEATH = Death("r" * 5000, "w/0", 1e9, "t" * 20_000)


@given(envelopes)
def test_an_envelope_is_a_message_whatever_it_is(raw: bytes) -> None:
    message, count = unseal(raw)
    delivery = to_delivery(Claim(("q", "1:0"), "q", message, count + 1))
    assert 1 <= delivery.attempt <= 2**53 + 1
    assert isinstance(delivery.headers, dict)
    for posting in (dead_letter(delivery, DEATH, "dead"), retried(delivery, 5.0, 1, 1e9)):
        unseal(seal(posting.message, "t", "", "q"))


@pytest.mark.parametrize("count", ["NaN", "Infinity", "-5", '"x"', "null", "[1]", "9" * 400, "true"])
def test_a_count_that_is_none_counts_as_none(count: str) -> None:
    raw = f'{{"fleet":[{count},5],"body":"","headers":{{}},"properties":{{"body_encoding":"base64"}}}}'
    message, before = unseal(raw.encode())
    assert message.body == b""
    assert before in (0, 2**53)


def test_the_count_in_front_is_ours_whatever_else_is_called_so() -> None:
    for begin in (b'{"fleet":[3,5],', b' { "fleet": [3, 5], '):
        raw = begin + b'"body":"","fleet":[0,0],"headers":{},"properties":{"body_encoding":"base64"}}'
        assert unseal(raw)[1] == 3


@given(rows)
def test_a_row_is_a_message_whatever_it_is(row: tuple[Any, Any]) -> None:
    claim = to_claim((0, 1, "q", 1, *row, 0.0), 1, 1)
    assert isinstance(to_delivery(claim).body, bytes)


@given(some.binary(max_size=200), some.integers(0, 0xFFFF))
def test_properties_of_any_bytes_are_read_or_are_the_fault(properties: bytes, flags: int) -> None:
    header = frames.CONTENT.pack(frames.BASIC, 0, 0, flags) + properties
    method = pack(">HHB", 60, 60, 1) + b"c" + pack(">QB", 7, 0) + b"\0\0"
    assembly = Assembly()
    assert assembly.add(frames.METHOD, method) is None
    arrived = assembly.add(frames.HEADER, header)
    assert arrived is not None
    assert arrived.tag == 7
    assert arrived.properties == {} or not arrived.fault
    legible((frames.HEADER, 1, header))


def test_tables_in_tables_without_end_are_the_fault() -> None:
    table = b""
    for _ in range(10_000):
        table = b"\1dF" + pack(">I", len(table)) + table
    header = frames.CONTENT.pack(frames.BASIC, 0, 0, frames.HEADERS) + pack(">I", len(table)) + table
    assembly = Assembly()
    assembly.add(frames.METHOD, pack(">HHB", 60, 60, 1) + b"c" + pack(">QB", 7, 0) + b"\0\0")
    arrived = assembly.add(frames.HEADER, header)
    assert arrived is not None
    assert "can't be read" in arrived.fault
    _, _, payload = legible((frames.HEADER, 1, header))
    assert len(payload) == frames.CONTENT.size


def fits(message: Encoded, frame_max: int) -> bool:
    try:
        frames.publish(message, 1, ("", "q"), frame_max)
    except (MessageTooLarge, ValueError):
        return False
    return True


@given(odd_headers | some.dictionaries(some.text(max_size=300), amqp_values, max_size=4), bodies)
def test_some_dead_letter_always_fits(headers: dict[str, Any], body: bytes) -> None:
    delivery = Delivery(1, "q", body, headers, {"priority": 3, "correlation_id": LONG})
    for frame_max in (FRAME_MAX, 4096):
        written = []
        for make in shorter_dead_letters(delivery, DEATH, "dead"):
            try:
                posting = make()
                frames.publish(posting.message, 1, ("", "q"), frame_max)
            except Exception:
                continue
            written.append(posting)
        assert written, frame_max
        assert written[0].message.body == body
        assert written[0].message.headers[DEATH_HEADER]["reason"].startswith("rrr")


def test_what_identifies_it_is_kept_when_the_rest_must_go() -> None:
    delivery = Delivery(1, "q", b"x", {"task": "t", "id": "7", "retries": 2, "note": "n" * 130_900})
    delivery.content_type, delivery.content_encoding = "application/x-msgpack", "binary"
    assert not fits(dead_letter(delivery, DEATH, "dead").message, FRAME_MAX)
    made = [make() for make in shorter_dead_letters(delivery, DEATH, "dead")]
    [first, *_] = [each for each in made if fits(each.message, FRAME_MAX)]
    headers = first.message.headers
    assert (headers["task"], headers["id"], headers["retries"]) == ("t", "7", 2)
    assert (first.message.content_type, first.message.content_encoding) == ("application/x-msgpack", "binary")
    assert "its other headers were too much for the broker" in headers[DEATH_HEADER]["reason"]


def test_headers_that_leave_no_room_are_told_before_anything_is_sent() -> None:
    message = Encoded(b"", {"note": "n" * FRAME_MAX}, {})
    with pytest.raises(MessageTooLarge, match=r"headers and properties take 1311\d\d bytes, .* frame_max"):
        frames.publish(message, 1, ("", "q"), FRAME_MAX)


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_numbers_that_rabbitmq_has_not_are_not_sent(number: float) -> None:
    with pytest.raises(ValueError, match="RabbitMQ has no"):
        frames.publish(Encoded(b"", {"x": [number]}, {}), 1, ("", "q"), FRAME_MAX)


def test_counts_stay_numbers_that_brokers_keep() -> None:
    headers = {"x-fleet-crashes": 10**400}
    posting = given_back(Delivery(1, "q", b"", headers, attempt=10**30), counted=True)
    assert json.loads(json.dumps(posting.message.headers))["x-fleet-crashes"] <= 2**31
    assert fits(posting.message, FRAME_MAX)
