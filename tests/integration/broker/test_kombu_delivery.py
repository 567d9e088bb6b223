"""What our kombu transports deliver, in which order, and what they publish at once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import kombu
import pytest

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.redis.store import RedisStore
from fleet.broker.sqlite.store import SqliteStore
from tests.conftest import Broker
from tests.integration.broker.clients import Client, Inbox, put, queue
from tests.support import eventually, unique


class Failing(Exception):  # noqa: N818
    """What a callback fails with."""


def test_a_callback_that_raises_leaves_the_rest_of_its_batch_for_the_next_drain(client: Client) -> None:
    connection, q = client(), queue()
    for number in range(5):
        put(connection, q, number)
    seen: list[int] = []

    def take(body: int, message: kombu.Message) -> None:
        seen.append(body)
        if body in (0, 2):
            raise Failing
        message.ack()

    consumer = kombu.Consumer(connection.channel(), [q], callbacks=[take])
    consumer.qos(prefetch_count=10)
    consumer.consume()
    for _ in range(3):
        with suppress(Failing):
            connection.drain_events(timeout=5)
    assert seen == [0, 1, 2, 3, 4]
    connection.close()
    assert sorted(Inbox(client(), q).drain(2)) == [0, 2], "what failed is not lost"


def test_what_was_reserved_and_not_delivered_goes_back_uncounted(client: Client) -> None:
    connection, q = client(), queue()
    for number in range(3):
        put(connection, q, number)

    def fail(body: int, message: kombu.Message) -> None:
        raise Failing

    consumer = kombu.Consumer(connection.channel(), [q], callbacks=[fail])
    consumer.qos(prefetch_count=10)
    consumer.consume()
    with pytest.raises(Failing):
        connection.drain_events(timeout=5)
    consumer.cancel()
    other = Inbox(client(), q)
    assert other.drain(2) == [1, 2]
    assert not any(message.delivery_info["redelivered"] for message in other.messages)
    connection.close()
    assert other.drain(3) == [1, 2, 0]
    assert other.messages[2].delivery_info["redelivered"]


@pytest.mark.parametrize("prefetch", [1, 4, None])
def test_a_busy_queue_does_not_starve_the_next(client: Client, prefetch: int | None) -> None:
    connection, publisher = client(), client()
    busy, quiet = queue(unique("a")), queue(unique("b"))
    for _ in range(20):
        put(publisher, busy, "busy")
    put(publisher, quiet, "quiet")
    inbox = Inbox(connection, busy, quiet, prefetch=prefetch)
    while "quiet" not in inbox.bodies:
        connection.drain_events(timeout=5)
        put(publisher, busy, "busy")  # it never runs dry
        assert len(inbox.bodies) <= 12, "the other queue never has its turn"


@pytest.mark.parametrize(("strategy", "first"), [("priority", "z"), ("sorted", "a")])
def test_the_order_of_queues_may_be_strict(client: Client, strategy: str, first: str) -> None:
    connection = client(queue_order_strategy=strategy)
    token = unique()
    last_in_the_alphabet, first_in_it = queue(f"z{token}"), queue(f"a{token}")
    for q in (last_in_the_alphabet, first_in_it):
        for _ in range(3):
            put(connection, q, q.name[0])
    inbox = Inbox(connection, last_in_the_alphabet, first_in_it, prefetch=1)
    assert inbox.drain(6)[:3] == [first] * 3


def test_an_unknown_order_of_queues_is_refused(client: Client) -> None:
    connection = client(queue_order_strategy="random")
    with pytest.raises(ValueError, match="round_robin, sorted, priority"):
        connection.channel()


def test_delivery_tags_are_text_and_unique(client: Client) -> None:
    connection, q = client(), queue()
    for number in range(4):
        put(connection, q, number)
    channels = [connection.channel() for _ in range(4)]
    tags = [q(channel).get().delivery_tag for channel in channels]
    assert all(isinstance(tag, str) for tag in tags)
    assert len(set(tags)) == 4


def test_a_tag_that_was_never_given_settles_nothing(client: Client) -> None:
    connection, q = client(), queue()
    put(connection, q, "x")
    inbox = Inbox(connection, q, ack=False)
    inbox.drain(1)
    channel = inbox.consumer.channel
    for tag in ("", "x", 7, "[]", None):
        channel.basic_ack(tag)
        channel.basic_reject(tag, requeue=True)
    connection.close()
    assert Inbox(client(), q).drain(1) == ["x"]


def test_what_comes_again_says_so_where_kombus_own_transport_says_it(client: Client) -> None:
    connection, q = client(), queue()
    put(connection, q, "x")
    inbox = Inbox(connection, q, ack=False)
    inbox.drain(1)
    assert "redelivered" not in inbox.messages[0].headers
    inbox.messages[0].requeue()
    inbox.drain(2)
    assert inbox.messages[1].headers["redelivered"] is True
    assert inbox.messages[1].delivery_info["redelivered"] is True


# --- publishing several at once -------------------------------------------------------------------------


def count(target: Any, name: str) -> list[Any]:
    """The arguments of each call of that method from now on."""
    calls: list[Any] = []
    original: Callable[..., Any] = getattr(target, name)

    def noting(*args: Any) -> Any:
        calls.append(args)
        return original(*args)

    target.__dict__[name] = noting
    return calls


def test_a_batch_is_published_in_one_step_and_not_before_its_end(client: Client) -> None:
    connection, q, fanout = client(), queue(), kombu.Exchange(unique("ex"), type="fanout")
    all = queue(exchange=fanout)
    for each in (q, all):
        each(connection.default_channel).declare()
    producer = kombu.Producer(connection.default_channel)
    assert producer.supports_batch_publish
    steps = count(connection.transport.lifetimes, "publish")
    with producer.batch():
        for number in range(50):
            producer.publish(number, exchange=q.exchange, routing_key=q.routing_key)
        producer.publish("to all", exchange=fanout)
        assert connection.transport.store.size(q.name) == connection.transport.store.size(all.name) == 0
    assert [len(postings) for (postings,) in steps] == [51]
    assert Inbox(connection, q).drain(50) == list(range(50))
    assert Inbox(connection, all).drain(1) == ["to all"]


def test_a_batch_looks_its_exchange_up_once(client: Client) -> None:
    connection, q = client(), queue()
    q(connection.default_channel).declare()
    producer = kombu.Producer(connection.default_channel)
    looks = count(connection.transport.store, "bindings")
    with producer.batch():
        for number in range(50):
            producer.publish(number, exchange=q.exchange, routing_key=q.routing_key)
    assert len(looks) == 1


def test_a_batch_that_fails_half_way_publishes_nothing(client: Client) -> None:
    connection, q = client(), queue()
    q(connection.default_channel).declare()
    producer = kombu.Producer(connection.default_channel)
    with suppress(Failing), producer.batch():
        producer.publish("x", exchange=q.exchange, routing_key=q.routing_key)
        raise Failing
    assert Inbox(connection, q).stays_at(0)


def test_a_batch_that_the_broker_refuses_says_that_its_outcome_is_unknown(client: Client) -> None:
    connection, q = client(), queue()
    q(connection.default_channel).declare()
    producer = kombu.Producer(connection.default_channel)

    def refuse(postings: Any) -> None:
        raise BrokerUnavailable("gone")

    connection.transport.lifetimes.__dict__["publish"] = refuse
    with (
        pytest.raises(kombu.exceptions.BatchPublishError, match="the batch of 1"),
        producer.batch(),
    ):
        producer.publish("x", exchange=q.exchange, routing_key=q.routing_key)


def test_a_full_batch_is_published_without_waiting_for_its_end(client: Client) -> None:
    connection, q = client(), queue()
    q(connection.default_channel).declare()
    producer = kombu.Producer(connection.default_channel)
    steps = count(connection.transport.lifetimes, "publish")
    with producer.batch(max_size=10):
        for number in range(25):
            producer.publish(number, exchange=q.exchange, routing_key=q.routing_key)
    assert [len(postings) for (postings,) in steps] == [10, 10, 5]
    assert Inbox(connection, q).drain(25) == list(range(25))


@pytest.mark.parametrize("kind", ["direct", "topic", "fanout"])
def test_a_message_to_several_queues_is_published_in_one_step(client: Client, kind: str) -> None:
    connection, exchange = client(), kombu.Exchange(unique("ex"), type=kind)
    queues = [queue(exchange=exchange, key="k") for _ in range(3)]
    for q in queues:
        q(connection.default_channel).declare()
    steps = count(connection.transport.lifetimes, "publish")
    kombu.Producer(connection.default_channel, exchange=exchange).publish("x", routing_key="k")
    assert len(steps) == 1
    for q in queues:
        assert Inbox(connection, q).drain(1) == ["x"]


# --- beside fleet's own workers -------------------------------------------------------------------------


def test_a_kombu_client_and_a_fleet_worker_share_a_queue(client: Client, client_broker: Broker) -> None:
    """Each message goes to one of them, and what one leaves when it dies comes to the other."""
    connection, q = client(lease_seconds=2), queue()
    worker = open_store(client_broker)
    try:
        for number in range(4):
            put(connection, q, number)
        inbox = Inbox(connection, q, ack=False, prefetch=2)
        inbox.drain(2)
        claims = worker.reserve([q.name], 10)
        assert [claim.message.body for claim in claims] == [b"2", b"3"]
        assert worker.reserve([q.name], 10) == []
        connection.transport._keeper.stop()  # as if it were killed
        left = eventually(lambda: worker.reserve([q.name], 10), 15, "what the client held")
        assert [(claim.message.body, claim.attempt) for claim in left] == [(b"0", 2), (b"1", 2)]
        assert worker.ack([claim.tag for claim in (*claims, *left)]) == 4
    finally:
        worker.close()


def open_store(broker: Broker) -> Any:
    """As a fleet worker opens it."""
    if broker.name == "redis":
        options = {"global_keyprefix": f"{broker.token}:"}
        return RedisStore(broker.url, owner=unique("worker"), transport_options=options)
    return SqliteStore(Path(broker.url.removeprefix("sqlite:///")), owner=unique("worker"))
