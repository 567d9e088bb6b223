"""The wire's own reading of AMQP frames, in whatever pieces they come."""

from __future__ import annotations

from struct import pack

import pytest

from fleet.broker.rabbitmq.frames import publish
from fleet.protocol import Encoded
from tests.chaos.wire import Connection, Delivery, Publication, Talk, Wire

BODY = b'[[41, 0.5], {}, {"callbacks": null}]'
GREETING = b"AMQP\0\0\x09\x01"
CONFIRM, ACK, NACK, REJECT, CLOSE = (
    b"\0\x55\0\x0a",
    b"\0\x3c\0\x50",
    b"\0\x3c\0\x78",
    b"\0\x3c\0\x5a",
    b"\0\x14\0\x28",
)


def frame(kind: int, payload: bytes, channel: int = 1) -> bytes:
    return pack(">BHI", kind, channel, len(payload)) + payload + b"\xce"


def settles(method: bytes, tag: int, flags: int = 0, channel: int = 1) -> bytes:
    return frame(1, method + pack(">QB", tag, flags), channel)


def deliver(tag: int, channel: int = 1) -> bytes:
    method = b"\0\x3c\0\x3c" + b"\x01c" + pack(">QB", tag, 0) + b"\0" + b"\x05chaos"
    header = pack(">HHQH", 60, 0, len(BODY), 0)
    return frame(1, method, channel) + frame(2, header, channel) + frame(3, BODY, channel)


def brings(channel: int = 1) -> bytes:
    return publish(Encoded(BODY, {}, {}, "application/json", "utf-8"), channel, ("", "chaos"), 131072)


@pytest.fixture
def talk() -> Talk:
    begun = Wire().talk()
    begun.passed(GREETING, 0.5, from_client=True)
    return begun


def deliveries(talk: Talk) -> list[Delivery]:
    return talk._wire.deliveries[41]


def publications(talk: Talk) -> list[Publication]:
    return talk._wire.publications[41]


@pytest.mark.parametrize("size", [1, 7, 4096])
def test_a_delivery_and_its_ack_are_seen_whatever_pieces_they_come_in(talk: Talk, size: int) -> None:
    data = deliver(3)
    for at in range(0, len(data), size):
        talk.passed(data[at : at + size], 1.0, from_client=False)
    assert talk._wire.held == 1
    talk.passed(settles(ACK, 3), 2.0, from_client=True)
    assert deliveries(talk) == [Delivery(41, talk.connection, 1.0, 2.0, "ack")]
    assert talk._wire.held == 0


@pytest.mark.parametrize(
    ("frames", "hows"),
    [
        (settles(ACK, 2, flags=1), ["ack", "ack", ""]),  # multiple
        (settles(NACK, 0, flags=3), ["requeue", "requeue", "requeue"]),
        (settles(NACK, 2, flags=2), ["", "requeue", ""]),
        (settles(REJECT, 2, flags=1), ["", "requeue", ""]),
        (settles(REJECT, 2, flags=0), ["", "drop", ""]),
    ],
    ids=["ack up to", "nack all", "nack", "reject", "reject for good"],
)
def test_settlements_settle_what_they_name(talk: Talk, frames: bytes, hows: list[str]) -> None:
    for tag in (1, 2, 3):
        talk.passed(deliver(tag), 1.0, from_client=False)
    talk.passed(frames, 2.0, from_client=True)
    assert [each.how for each in deliveries(talk)] == hows


def test_a_channel_that_is_closed_gives_back_what_it_had_brought(talk: Talk) -> None:
    talk.passed(deliver(1, channel=1) + deliver(1, channel=2), 1.0, from_client=False)
    talk.passed(frame(1, CLOSE + b"\x01\x96\0\0\0\0\0", 2), 2.0, from_client=False)
    assert [each.how for each in deliveries(talk)] == ["", "closed"]


@pytest.mark.parametrize(
    ("frames", "answers"),
    [
        (settles(ACK, 2, flags=1), ["ack", "ack", ""]),
        (settles(NACK, 2), ["", "nack", ""]),
        (settles(NACK, 1) + settles(ACK, 3), ["nack", "", "ack"]),
    ],
    ids=["up to", "refused", "each its own"],
)
def test_publications_get_their_confirms(talk: Talk, frames: bytes, answers: list[str]) -> None:
    talk.passed(frame(1, CONFIRM + b"\0") + brings() * 3, 1.0, from_client=True)
    talk.passed(frames, 2.0, from_client=False)
    assert [each.answer for each in publications(talk)] == answers


def test_a_publication_counts_when_all_of_it_has_passed(talk: Talk) -> None:
    talk.passed(brings()[:-1], 1.0, from_client=True)
    assert publications(talk) == []
    talk.passed(brings()[-1:], 1.0, from_client=True)
    assert len(publications(talk)) == 1


def test_a_client_says_who_it_is(talk: Talk) -> None:
    name = b"w/0@host:4711/token"
    table = b"\x0fconnection_nameS" + pack(">I", len(name)) + name
    talk.passed(frame(1, b"\0\x0a\0\x0b" + pack(">I", len(table)) + table, 0), 1.0, from_client=True)
    assert (talk.connection.pid, talk.connection.is_worker) == (4711, True)
    assert (Connection("fleet producer, pid 12").pid, Connection("fleet producer, pid 12").is_worker) == (
        12,
        False,
    )


def test_what_a_connection_held_when_it_ended_is_held_no_more(talk: Talk) -> None:
    talk.passed(deliver(1), 1.0, from_client=False)
    talk.ended("cut")
    assert (talk._wire.held, talk.connection.by) == (0, "cut")
