"""What kombu's integration suite expects of a virtual transport, of ours: through kombu.Connection alone."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kombu
import pytest

from tests.conftest import Broker, make_broker
from tests.integration.broker.clients import Client, Inbox, clients, put, queue
from tests.support import eventually, unique


@pytest.fixture(params=["sqlite", "redis"])
def broker(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Broker]:
    yield from make_broker(request.param, request, short_folder)


@pytest.fixture
def connect(broker: Broker) -> Iterator[Client]:
    yield from clients(broker)


@pytest.fixture
def connection(connect: Client) -> kombu.Connection:
    return connect()


# --- basic functionality --------------------------------------------------------------------------------


def test_a_kombu_connection_says_that_it_is_connected(connection: kombu.Connection) -> None:
    connection.connect()
    assert connection.connected
    connection.close()
    assert not connection.connected


def test_a_message_arrives_with_body_headers_and_properties(connection: kombu.Connection) -> None:
    q = queue()
    put(
        connection,
        q,
        {"grüße": [1, None, 2.5]},
        headers={"a": 1},
        correlation_id="c",
        reply_to="r",
        content_encoding="utf-8",
    )
    inbox = Inbox(connection, q)
    assert inbox.drain(1) == [{"grüße": [1, None, 2.5]}]
    [message] = inbox.messages
    assert message.headers["a"] == 1
    assert (message.properties["correlation_id"], message.properties["reply_to"]) == ("c", "r")
    assert message.content_type == "application/json"
    assert message.delivery_info["exchange"] == q.exchange.name
    assert message.delivery_info["routing_key"] == q.routing_key


@pytest.mark.parametrize("serializer", ["json", "pickle", "raw"])
def test_a_message_survives_every_serializer(connection: kombu.Connection, serializer: str) -> None:
    q = queue()
    sent: Any = b"\x00\xff" if serializer == "raw" else {"x": 1}
    put(connection, q, sent, serializer=None if serializer == "raw" else serializer)
    got = eventually(lambda: q(connection.default_channel).get(no_ack=True, accept=["json", "pickle"]))
    assert (bytes(got.body) if serializer == "raw" else got.payload) == sent


def test_a_compressed_message_arrives_whole(connection: kombu.Connection) -> None:
    q = queue()
    put(connection, q, "x" * 10_000, compression="zlib")
    assert Inbox(connection, q).drain(1) == ["x" * 10_000]


def test_messages_arrive_in_the_order_they_were_sent(connection: kombu.Connection) -> None:
    q = queue()
    for number in range(20):
        put(connection, q, number)
    assert Inbox(connection, q).drain(20) == list(range(20))


def test_two_connections_share_a_queue(connect: Client) -> None:
    sender, receiver = connect(), connect()
    q = queue()
    inbox = Inbox(receiver, q)
    put(sender, q, "hello")
    assert inbox.drain(1) == ["hello"]


def test_waiting_ends_with_the_timeout_that_kombus_callers_catch(connection: kombu.Connection) -> None:
    inbox = Inbox(connection, queue())
    with pytest.raises(socket.timeout):
        connection.drain_events(timeout=0.1)
    assert inbox.bodies == []


def test_simple_queues_and_buffers_put_and_get(connection: kombu.Connection) -> None:
    simple = connection.SimpleQueue(unique())
    simple.put("x")
    assert simple.qsize() == 1
    message = simple.get(timeout=5)
    message.ack()
    with pytest.raises(simple.Empty):
        simple.get(block=False)
    simple.close()
    with connection.SimpleBuffer(unique()) as buffer:
        buffer.put("y")
        assert buffer.get(timeout=5).payload == "y"


def test_size_purge_passive_declaration_and_deletion(connection: kombu.Connection) -> None:
    channel, q = connection.default_channel, queue()
    with pytest.raises(connection.channel_errors):
        channel.queue_declare(q.name, passive=True)
    for number in range(3):
        put(connection, q, number)
    assert channel.queue_declare(q.name, passive=True).message_count == 3
    assert q(channel).purge() == 3
    assert channel.queue_declare(q.name, passive=True).message_count == 0
    q(channel).delete()
    with pytest.raises(connection.channel_errors):
        channel.queue_declare(q.name, passive=True)


# --- message handling -----------------------------------------------------------------------------------


def test_an_acknowledged_message_is_gone(connect: Client) -> None:
    first, q = connect(), queue()
    put(first, q, "x")
    Inbox(first, q).drain(1)
    first.close()
    assert Inbox(connect(), q).stays_at(0)


def test_a_rejected_message_is_gone_and_a_requeued_one_comes_again(connection: kombu.Connection) -> None:
    q = queue()
    inbox = Inbox(connection, q, ack=False)
    put(connection, q, "dropped")
    inbox.drain(1)
    inbox.messages[0].reject()
    assert inbox.stays_at(1)
    put(connection, q, "again")
    inbox.drain(2)
    inbox.messages[1].requeue()
    assert inbox.drain(3)[2] == "again"
    assert inbox.messages[2].delivery_info["redelivered"]
    inbox.messages[2].ack()
    assert inbox.stays_at(3)


def test_closing_gives_back_what_was_not_acknowledged(connect: Client) -> None:
    first, q = connect(), queue()
    put(first, q, "x")
    Inbox(first, q, ack=False).drain(1)
    first.close()
    assert Inbox(connect(), q).drain(1) == ["x"]


def test_without_acknowledgements_a_message_is_gone_when_it_comes(connect: Client) -> None:
    first, q = connect(), queue()
    put(first, q, "x")
    Inbox(first, q, no_ack=True).drain(1)
    put(first, q, "y")
    assert eventually(lambda: q(first.channel()).get(no_ack=True)).payload == "y"
    first.close()
    assert Inbox(connect(), q).stays_at(0)


def test_a_dead_clients_messages_come_back_when_its_lease_runs_out(connect: Client) -> None:
    """Where kombu's own Redis transport waits an hour."""
    first, q = connect(lease_seconds=0.5), queue()
    put(first, q, "x")
    Inbox(first, q, ack=False).drain(1)
    first.transport._keeper.stop()  # as a killed process, it renews no more
    assert Inbox(connect(), q).drain(1) == ["x"]


def test_the_prefetch_count_is_a_limit(connection: kombu.Connection) -> None:
    q = queue()
    inbox = Inbox(connection, q, ack=False, prefetch=2)
    for number in range(4):
        put(connection, q, number)
    inbox.drain(2)
    assert inbox.stays_at(2)
    inbox.messages[0].ack()
    assert inbox.drain(3) == [0, 1, 2]


def test_several_messages_are_acknowledged_at_once(connect: Client) -> None:
    first, q = connect(), queue()
    for number in range(3):
        put(first, q, number)
    inbox = Inbox(first, q, ack=False, prefetch=10)
    inbox.drain(3)
    inbox.messages[1].ack(multiple=True)
    first.close()
    assert Inbox(connect(), q).drain(1) == [2]


def test_basic_get_gives_one_message_after_the_other(connection: kombu.Connection) -> None:
    q = queue()(connection.default_channel)
    q.declare()
    assert q.get() is None
    put(connection, q, "x")
    message = q.get()
    assert message.payload == "x"
    assert q.get() is None
    message.ack()


def test_a_cancelled_consumer_gets_nothing(connection: kombu.Connection) -> None:
    q = queue()
    inbox = Inbox(connection, q)
    inbox.consumer.cancel()
    put(connection, q, "x")
    assert inbox.stays_at(0)
    inbox.consumer.consume()
    assert inbox.drain(1) == ["x"]


# --- exchange types -------------------------------------------------------------------------------------


def test_a_direct_exchange_routes_by_the_exact_key(connection: kombu.Connection) -> None:
    exchange = kombu.Exchange(unique("ex"), type="direct")
    one, other = queue(exchange=exchange, key="one"), queue(exchange=exchange, key="other")
    first, second = Inbox(connection, one), Inbox(connection, other)
    producer = kombu.Producer(connection.default_channel, exchange=exchange)
    producer.publish("1", routing_key="one")
    producer.publish("2", routing_key="other")
    producer.publish("nobody's", routing_key="nobody")
    assert (first.drain(1), second.drain(1)) == (["1"], ["2"])


def test_a_topic_exchange_routes_by_its_patterns(connection: kombu.Connection) -> None:
    exchange = kombu.Exchange(unique("ex"), type="topic")
    patterns = {"all": "#", "lazy": "lazy.#", "orange": "*.orange.*", "exact": "quick.orange.fox"}
    inboxes = {name: Inbox(connection, queue(exchange=exchange, key=key)) for name, key in patterns.items()}
    producer = kombu.Producer(connection.default_channel, exchange=exchange)
    reached = {
        "quick.orange.fox": ["all", "orange", "exact"],
        "lazy.orange.elephant": ["all", "lazy", "orange"],
        "lazy": ["all", "lazy"],
        "quick.brown": ["all"],
    }
    for key in reached:
        producer.publish(key, routing_key=key)
    for name, inbox in inboxes.items():
        expected = [key for key, names in reached.items() if name in names]
        assert inbox.drain(len(expected)) == expected, name
        assert inbox.stays_at(len(expected))


def test_a_fanout_exchange_reaches_every_queue(connect: Client) -> None:
    exchange = kombu.Exchange(unique("ex"), type="fanout")
    sender, receivers = connect(), [connect(), connect()]
    inboxes = [Inbox(receiver, queue(exchange=exchange)) for receiver in receivers]
    kombu.Producer(sender.default_channel, exchange=exchange).publish("to all", routing_key="whatever")
    assert [inbox.drain(1) for inbox in inboxes] == [["to all"], ["to all"]]


def test_a_binding_holds_for_all_connections(connect: Client) -> None:
    """A queue that one process has bound gets what another one publishes."""
    exchange = kombu.Exchange(unique("ex"), type="topic")
    q = queue(exchange=exchange, key="a.*")
    q(connect().default_channel).declare()
    kombu.Producer(connect().default_channel, exchange=exchange).publish("x", routing_key="a.b")
    assert Inbox(connect(), q).drain(1) == ["x"]


def test_an_unbound_queue_gets_nothing_any_more(connection: kombu.Connection) -> None:
    exchange = kombu.Exchange(unique("ex"), type="direct")
    q = queue(exchange=exchange, key="k")
    inbox = Inbox(connection, q)
    q(connection.default_channel).unbind_from(exchange, "k")
    kombu.Producer(connection.default_channel, exchange=exchange).publish("x", routing_key="k")
    assert inbox.stays_at(0)


# --- priorities -----------------------------------------------------------------------------------------


def test_messages_of_higher_priority_come_first(connection: kombu.Connection, broker: Broker) -> None:
    """On Redis numbered as kombu's own transport does, where 0 goes first; on SQLite as AMQP does."""
    q = queue()
    for priority in (6, 0, 9, 3):
        put(connection, q, priority, priority=priority)
    inbox = Inbox(connection, q)
    expected = [0, 3, 6, 9]
    assert inbox.drain(4) == (expected if broker.name == "redis" else expected[::-1])
    assert [message.properties["priority"] for message in inbox.messages] == inbox.bodies


def test_messages_of_one_priority_come_in_order(connection: kombu.Connection) -> None:
    q = queue()
    for number in range(6):
        put(connection, q, number, priority=3)
    assert Inbox(connection, q).drain(6) == list(range(6))


def test_what_is_requeued_one_by_one_comes_again_in_its_order(
    connection: kombu.Connection, broker: Broker
) -> None:
    q = queue()
    urgent, usual = (3, 6) if broker.name == "redis" else (6, 3)
    for number, priority in enumerate((usual, urgent, usual)):
        put(connection, q, number, priority=priority)
    inbox = Inbox(connection, q, ack=False)
    inbox.drain(3)
    inbox.consumer.cancel()
    for message in inbox.messages:
        message.requeue()
    most_urgent = 0 if broker.name == "redis" else 9
    put(connection, q, "new", priority=most_urgent)
    assert Inbox(connection, q).drain(4) == ["new", 1, 0, 2]


# --- beside kombu's own Redis transport -----------------------------------------------------------------


@pytest.mark.parametrize("broker", ["redis"], indirect=True)
def test_stock_kombu_publishes_into_the_same_queues(broker: Broker, connection: kombu.Connection) -> None:
    q = queue()
    options = {"global_keyprefix": f"{broker.token}:"}
    with kombu.Connection(broker.url, transport_options=options) as stock:
        for priority in (9, 0):
            put(stock, q, priority, priority=priority)
    inbox = Inbox(connection, q)
    assert inbox.drain(2) == [0, 9]
    assert inbox.messages[0].properties["priority"] == 0
    inbox.consumer.cancel()
    put(connection, q, "for stock")
    with kombu.Connection(broker.url, transport_options=options) as stock:
        assert Inbox(stock, q).drain(1) == ["for stock"]
