"""Faults that schedules have found in what a worker publishes on RabbitMQ, each one on its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from typing import Any
from unittest import mock

import pytest

from fleet.broker.consumer import Subscription
from fleet.broker.delivery import BrokerUnavailable, Posting, Refused
from fleet.broker.rabbitmq.confirmed_publisher import ConfirmedPublisher
from fleet.broker.rabbitmq.connection import AmqpConnection
from fleet.broker.rabbitmq.consumer import RabbitConsumer
from fleet.broker.rabbitmq.outgoing import Outgoing
from fleet.broker.reposting import deferred
from fleet.protocol import Encoded
from tests.simulated.backend import DEAD, QUEUE
from tests.simulated.choices import Choices
from tests.simulated.clock import Clock, FakeTime
from tests.simulated.judge import Judge
from tests.simulated.network import Network, Socket
from tests.simulated.rabbit import RabbitBackend
from tests.simulated.running import backend, stage

_PROBES = [None, None]  # what the publisher asks before the first message


class Scripted(Choices):
    """Nothing goes wrong but what the test has written down for publishing."""

    def __init__(self) -> None:
        super().__init__(given={})
        self.publishing: list[str | None] = []

    def fault(self, where: str, kinds: Sequence[str]) -> str | None:
        return self.publishing.pop(0) if where == "publish" and self.publishing else None


class Stand:
    def __init__(self, time: FakeTime) -> None:
        self.clock = time.clock = Clock()
        self.choices = Scripted()
        made = backend("rabbitmq")(self.clock, self.choices, Judge(3, "late"))
        assert isinstance(made, RabbitBackend)
        self.backend = made

    def line(self, **options: Any) -> RabbitConsumer:
        return RabbitConsumer(
            Subscription(self.backend.broker, self.backend.queues, prefetch=3, identity="w", **options)
        )


@pytest.fixture
def stand() -> Iterator[Stand]:
    backend("rabbitmq")  # imports all that is to have this time
    with stage() as time, ExitStack() as stack:
        made = Stand(time)
        for target, attribute, replacement in made.backend.patches():
            stack.enter_context(mock.patch.object(target, attribute, replacement))
        yield made


@pytest.fixture
def wake_fd() -> Iterator[int]:
    read, write = os.pipe()
    yield read
    os.close(read)
    os.close(write)


def message(name: str) -> Encoded:
    return Encoded(name.encode(), {"id": name, "task": "t"}, {"correlation_id": name})


@pytest.mark.parametrize("ends", [[None, "ended by the broker"], ["alarm"]], ids=["connection", "alarm"])
def test_what_is_confirmed_is_not_refused_with_the_rest(stand: Stand, ends: list[str | None]) -> None:
    stand.choices.publishing = [*_PROBES, *ends]
    outgoing = Outgoing(stand.backend.broker, stand.backend.queues, (), identity="w")
    postings = [Posting(QUEUE, message("m1")), Posting(QUEUE, message("m2"))]
    with pytest.raises(Refused) as told:
        outgoing.publish(postings)
    assert list(told.value.postings) == postings[1:]
    outgoing.close()


def test_what_waits_for_its_full_queue_is_not_refused_with_the_rest(stand: Stand) -> None:
    stand.choices.publishing = [*_PROBES, "nack", "nack", None, "ended by the broker"]
    outgoing = Outgoing(stand.backend.broker, stand.backend.queues, (), identity="w")
    postings = [Posting(QUEUE, message("m1")), Posting(QUEUE, message("m2"))]
    with pytest.raises(Refused) as told:
        outgoing.publish(postings, or_later=True)
    assert list(told.value.postings) == postings[1:]
    outgoing.close()


def test_a_connection_that_ends_while_a_channel_closes_is_known_to_have_ended(stand: Stand) -> None:
    connection = AmqpConnection(stand.backend.broker, name="w")
    with (
        pytest.raises(BrokerUnavailable, match="CONNECTION_FORCED"),
        connection.guard(),
        connection.channel(),
    ):
        stand.backend.rabbit.sessions[0]._close_by_broker()
    assert "CONNECTION_FORCED" in connection.failure


def test_nothing_is_published_for_what_was_lost_while_the_publisher_opened(
    stand: Stand, wake_fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.backend.publish(message("m1"))
    line = stand.line()
    line.connect()
    (delivery,) = line.wait(1.0, wake_fd)
    look, consuming = ConfirmedPublisher.look, list(stand.backend.rabbit.sessions)

    def slow(publisher: ConfirmedPublisher) -> None:
        look(publisher)
        if consuming:
            consuming.pop()._socket.break_off()
        with suppress(BrokerUnavailable):
            line.renew()  # as the keepalive thread does: it finds out

    monkeypatch.setattr(ConfirmedPublisher, "look", slow)
    with pytest.raises(BrokerUnavailable):
        line.replace(delivery, deferred(delivery, 0.0))
    assert stand.backend.vhost.copies["m1"] == 1
    line.close()


def test_the_judge_knows_who_has_given_up_a_server_that_has_not_heard_of_it(
    stand: Stand, wake_fd: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand.backend.publish(message("m1"))
    line = stand.line()
    line.connect()
    (delivery,) = line.wait(1.0, wake_fd)
    stand.choices.publishing = [*_PROBES, "confirm late"]
    monkeypatch.setattr(stand.choices, "how_much", lambda most: most - 1)
    stand.clock.after(1.0, lambda: stand.backend.rabbit.sessions[-1]._socket.silence(90.0))
    dead = Posting(DEAD, message("m1"))
    with pytest.raises(Refused, match="not confirmed"):
        line.replace(delivery, dead)
    stand.clock.sleep(5.0)
    line.replace(delivery, dead)
    assert not stand.backend.judge.breaches
    line.close()


def test_a_suspect_that_could_not_be_set_aside_is_not_looked_for(stand: Stand, wake_fd: int) -> None:
    """The worker gives back all that waits before it looks: the same one came again at once, for ever."""
    stand.backend.publish(message("m1"))
    line = stand.line()
    line.rule.most = 2
    line.connect()
    assert len(line.wait(1.0, wake_fd)) == 1
    line.close()
    line.connect()
    stand.backend.rabbit.refuse_for_memory(60.0)
    assert [each.headers["id"] for each in line.wait(1.0, wake_fd)] == ["m1"]
    assert not line.suspects
    line.close()


def test_what_is_sent_when_a_silence_ends_stays_behind_what_was_sent_before() -> None:
    clock = Clock()
    network = Network(clock, Choices(given={}))
    received: list[bytes] = []
    session = mock.Mock()
    session.receive = received.append
    network.accept = lambda _socket: session
    socket: Socket = network.connect()
    clock.after(1.0, lambda: socket.sendall(b"second"))
    socket.silence(1.0)
    socket.sendall(b"first")
    clock.sleep(2.0)
    assert received == [b"first", b"second"]
