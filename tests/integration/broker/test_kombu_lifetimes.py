"""Queues and messages that end as their clients have declared, in our kombu transports."""

from __future__ import annotations

import time
from collections.abc import Callable

import kombu
import pytest

from tests.conftest import Broker
from tests.integration.broker.clients import Client, Inbox, put, queue
from tests.support import eventually

Known = Callable[[kombu.Queue], bool]


@pytest.fixture
def is_known(client: Client) -> Known:
    """Whether the broker has a queue, as a client sees it that is there all the time."""
    witness = client(lease_seconds=0.6)
    Inbox(witness, queue())
    return lambda q: q.name in witness.transport.store.queues()


def kill(connection: kombu.Connection) -> None:
    """As SIGKILL does: it says nothing, and renews nothing any more."""
    connection.transport._keeper.stop()


# --- queues that go with their users --------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["auto_delete", "exclusive"])
def test_a_temporary_queue_stays_while_another_connection_consumes_it(
    client: Client, is_known: Known, kind: str
) -> None:
    first, second, q = client(), client(), queue(**{kind: True})
    Inbox(first, q)
    inbox = Inbox(second, q)
    first.close()
    assert is_known(q)
    kombu.Producer(client().default_channel).publish("x", exchange="", routing_key=q.name)
    assert inbox.drain(1) == ["x"]
    second.close()
    assert not is_known(q)


@pytest.mark.parametrize("kind", ["auto_delete", "exclusive"])
def test_a_temporary_queue_stays_while_another_channel_consumes_it(
    client: Client, is_known: Known, kind: str
) -> None:
    connection, q = client(), queue(**{kind: True})
    declaring = connection.channel()
    q(declaring).declare()
    inbox = Inbox(connection, q)
    declaring.close()
    assert is_known(q)
    put(connection, q, "x")
    assert inbox.drain(1) == ["x"]


def test_an_auto_delete_queue_goes_with_its_last_consumer_and_not_before_the_first(
    client: Client, is_known: Known
) -> None:
    connection, q = client(), queue(auto_delete=True)
    channel = connection.channel()
    q(channel).declare()
    channel.close()
    assert is_known(q), "AMQP keeps it until it has had a consumer"
    one, other = Inbox(connection, q), Inbox(connection, q)
    one.consumer.cancel()
    assert is_known(q)
    put(connection, q, "x")
    assert other.drain(1) == ["x"]
    other.consumer.cancel()
    assert not is_known(q)


def test_an_exclusive_queue_stays_without_consumers_until_its_connection_closes(
    client: Client, is_known: Known
) -> None:
    connection, q = client(), queue(exclusive=True)
    Inbox(connection, q).consumer.cancel()
    assert is_known(q)
    connection.close()
    assert not is_known(q)


@pytest.mark.parametrize("kind", ["auto_delete", "exclusive"])
def test_a_temporary_queue_of_a_killed_client_goes_and_is_not_made_again_by_a_late_reply(
    client: Client, is_known: Known, kind: str
) -> None:
    connection, q = client(lease_seconds=0.6), queue(**{kind: True})
    Inbox(connection, q)
    kill(connection)
    eventually(lambda: not is_known(q), 15, "the queue ends with its user")
    answering = client()
    kombu.Producer(answering.default_channel).publish("late", exchange="", routing_key=q.name)
    assert not is_known(q)
    with kombu.Producer(answering.default_channel).batch():
        kombu.Producer(answering.default_channel).publish("late", exchange="", routing_key=q.name)
    assert not is_known(q)
    put(answering, q, "declared again")
    assert Inbox(client(), q).drain(1) == ["declared again"]


def test_bindings_go_with_a_temporary_queue(client: Client, is_known: Known) -> None:
    exchange = kombu.Exchange(name=queue().name, type="fanout")
    staying, passing = queue(exchange=exchange), queue(exchange=exchange, auto_delete=True)
    witness, killed = client(), client(lease_seconds=0.6)
    inbox = Inbox(witness, staying)
    Inbox(killed, passing)
    kill(killed)
    eventually(lambda: not is_known(passing), 15, "the queue ends with its user")
    bound = [bound for _, _, bound in witness.transport.store.bindings(exchange.name)]
    assert bound == [staying.name]
    kombu.Producer(witness.default_channel, exchange=exchange).publish("x")
    assert inbox.drain(1) == ["x"]


def test_a_queue_without_lifetime_stays(client: Client, is_known: Known) -> None:
    connection, q = client(lease_seconds=0.6), queue()
    Inbox(connection, q)
    kill(connection)
    other = client(lease_seconds=0.6)
    passing = queue(expires=0.5)
    passing(other.default_channel).declare()
    eventually(lambda: not is_known(passing), 15)
    assert is_known(q)


def test_deleting_an_exchange_leaves_its_queues(client: Client, is_known: Known) -> None:
    connection, exchange = client(), kombu.Exchange(name=queue().name, type="direct")
    q = queue(exchange=exchange, key="k")
    inbox = Inbox(connection, q)
    exchange(connection.default_channel).delete()
    assert is_known(q)
    assert connection.transport.store.bindings(exchange.name) == []
    kombu.Producer(connection.default_channel).publish("x", exchange="", routing_key=q.name)
    assert inbox.drain(1) == ["x"]


def test_deleting_an_unused_queue_only_spares_one_that_is_consumed(client: Client, is_known: Known) -> None:
    connection, q = client(), queue()
    inbox = Inbox(connection, q)
    q(connection.default_channel).delete(if_unused=True)
    assert is_known(q)
    inbox.consumer.cancel()
    q(connection.default_channel).delete(if_unused=True)
    assert not is_known(q)


# --- queues that expire ---------------------------------------------------------------------------------


def test_an_unused_queue_expires_with_what_is_in_it(client: Client, is_known: Known) -> None:
    connection, q = client(), queue(expires=0.5)
    put(connection, q, "x")
    assert is_known(q)
    eventually(lambda: not is_known(q), 15, "nobody uses it")
    put(connection, queue(), "y")
    q(connection.default_channel).declare()
    assert q(connection.default_channel).get() is None


def test_a_consumed_queue_does_not_expire_and_one_that_was_consumed_does(
    client: Client, is_known: Known
) -> None:
    connection, consumed, unused = client(lease_seconds=2), queue(expires=0.5), queue(expires=0.5)
    inbox = Inbox(connection, consumed)
    for _ in range(3):
        unused(connection.default_channel).declare()
        eventually(lambda: not is_known(unused), 15, "nobody uses it")
    assert is_known(consumed)
    put(client(), consumed, "x")
    assert inbox.drain(1) == ["x"]
    kill(connection)
    eventually(lambda: not is_known(consumed), 15, "nobody uses it any more")


@pytest.mark.parametrize("exclusive", [True, False])  # kombu's default, and Celery's
def test_kombus_reply_queues_of_killed_clients_do_not_stay(
    client: Client, is_known: Known, exclusive: bool
) -> None:
    """As Celery's `inspect`: its reply queue expires after ten seconds, here after half of one."""
    from kombu.pidbox import Mailbox

    box = Mailbox("test", type="fanout", reply_queue_expires=0.5, queue_exclusive=exclusive)
    killed = client(lease_seconds=0.6)
    replies = box(killed).get_reply_queue()
    replies(killed.default_channel).declare()
    assert is_known(replies)
    if exclusive:
        kill(killed)
    eventually(lambda: not is_known(replies), 15)


# --- messages -------------------------------------------------------------------------------------------


def pass_time(seconds: float) -> None:
    """Until the broker's clock has moved on by that much: both run at the same speed."""
    end = time.monotonic() + seconds
    eventually(lambda: time.monotonic() > end, seconds + 5)


@pytest.mark.parametrize("way", ["by consumer", "by get"])
def test_a_message_is_dropped_after_its_time_to_live(client: Client, way: str) -> None:
    connection, q = client(), queue()
    put(connection, q, "short", expiration=0.2)
    put(connection, q, "long", expiration=60)
    put(connection, q, "for ever")
    pass_time(0.4)
    if way == "by get":
        got = [q(connection.default_channel).get(no_ack=True) for _ in range(3)]
        assert [message and message.payload for message in got] == ["long", "for ever", None]
    else:
        inbox = Inbox(connection, q)
        assert inbox.drain(2) == ["long", "for ever"]
        assert inbox.stays_at(2)


def test_a_message_is_dropped_after_the_time_to_live_of_its_queue(client: Client) -> None:
    sender, receiver, q = client(), client(), queue(message_ttl=0.5)
    put(sender, q, "old")
    pass_time(0.7)
    put(sender, q, "new")
    inbox = Inbox(receiver, q)
    assert inbox.drain(1) == ["new"]
    assert inbox.stays_at(1)


def test_old_messages_do_not_pile_up_in_a_queue_that_nobody_consumes(client: Client, is_known: Known) -> None:
    connection, q = client(lease_seconds=0.6), queue(message_ttl=0.3)
    Inbox(connection, queue())
    for number in range(5):
        put(connection, q, number)
    eventually(lambda: connection.transport.store.size(q.name) == 0, 15, "they are too old")
    assert is_known(q)


@pytest.mark.parametrize("client_broker", ["redis"], indirect=True)
def test_odd_messages_reach_the_consumer_instead_of_ending_its_loop(
    client: Client, client_broker: Broker
) -> None:
    import redis

    connection, q = client(), queue()
    inbox = Inbox(connection, q)
    odd = (
        b'{"body": "1", "content-type": "application/json", "content-encoding": "utf-8", "headers": {},'
        b' "properties": {"delivery_info": "x", "expiration": [], "priority": 0, "delivery_tag": 5}}'
    )
    with redis.Redis.from_url(client_broker.url) as server:
        server.lpush(f"{client_broker.token}:{q.name}", odd)
    put(connection, q, 2)
    assert inbox.drain(2) == [1, 2]
