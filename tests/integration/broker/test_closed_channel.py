"""A channel that RabbitMQ closes takes back all that came by it: what it held is not ours to settle any more."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.broker.delivery import BrokerUnavailable, Death
from fleet.broker.link import Link
from fleet.spec import QueueSpec
from tests.conftest import make_broker
from tests.integration.broker.links import Desk

pytestmark = pytest.mark.broker


@pytest.fixture
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    for broker in make_broker("amqp", request, tmp_path):
        desk = Desk(broker)
        yield desk
        desk.close()


def lose_the_channel(desk: Desk, link: Link) -> None:
    """By a mistake that RabbitMQ answers as it answers a delivery held for too long: it closes the channel."""
    link._line._channel.basic_ack(4711)  # type: ignore[attr-defined]
    with pytest.raises(BrokerUnavailable, match="unknown delivery tag"):
        while True:
            link.wait(5, desk.wake_read)


@pytest.mark.parametrize("settle", ["ack", "requeue", "requeue uncounted", "retry", "dead_letter"])
@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_what_a_closed_channel_held_is_neither_settled_nor_published_anew(
    desk: Desk, settle: str, kind: str
) -> None:
    desk.queue = QueueSpec(desk.queue.name, dead_letter=desk.dead.name, arguments={"x-queue-type": kind})
    link = desk.link()
    desk.send("once")
    (delivery,) = desk.receive(link)
    lose_the_channel(desk, link)
    with pytest.raises(BrokerUnavailable, match="unknown delivery tag"):
        match settle:
            case "ack":
                link.ack([delivery])
            case "requeue":
                link.requeue([delivery], counted=True)
            case "requeue uncounted":
                link.requeue([delivery], counted=False)
            case "retry":
                link.retry(delivery, delay_seconds=0, retries=1)
            case "dead_letter":
                link.dead_letter(delivery, Death("test", "w", 0.0))
    link.connect()
    (again,) = desk.receive(link)
    assert again.headers["id"] == "once"
    link.ack([again])
    assert desk.nothing(link), "there was one message, and it is done"
    assert desk.nothing(desk.link(desk.dead))


def test_a_link_whose_channel_was_closed_works_on_after_connecting(desk: Desk) -> None:
    link = desk.link()
    lose_the_channel(desk, link)
    link.connect()
    desk.send("after")
    (delivery,) = desk.receive(link)
    link.requeue([delivery], counted=True)
    (again,) = desk.receive(link)
    link.ack([again])


def test_a_channel_that_is_closed_while_another_one_is_closing_is_noticed(desk: Desk) -> None:
    """py-amqp tells of it whoever waits for an answer just then, and that one does not care."""
    link = desk.link()
    with link._line._connection.channel():  # type: ignore[attr-defined]
        link._line._channel.basic_ack(4711)  # type: ignore[attr-defined]
    with pytest.raises(BrokerUnavailable, match="unknown delivery tag"):
        link.wait(2, desk.wake_read)
    link.connect()
    desk.send("after")
    (delivery,) = desk.receive(link)
    link.ack([delivery])
