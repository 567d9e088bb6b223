"""Our kombu transports beside threads: acks from any of them, leases, kombu's event loop."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from queue import SimpleQueue

import kombu
import pytest
from kombu.asynchronous import Hub, set_event_loop

from fleet.broker.delivery import BrokerUnavailable
from tests.integration.broker.clients import Client, Inbox, put, queue
from tests.support import eventually


@contextmanager
def event_loop(connection: kombu.Connection) -> Iterator[Hub]:
    hub = Hub()
    set_event_loop(hub)
    connection.register_with_event_loop(hub)
    try:
        yield hub
    finally:
        hub.close()


def run(hub: Hub, inbox: Inbox, count: int, rounds: int = 10_000) -> int:
    """Until `count` messages have come; how many rounds of the loop that took."""
    deadline = time.monotonic() + 60
    for number in range(rounds):
        if len(inbox.bodies) >= count:
            return number
        assert time.monotonic() < deadline, inbox.bodies
        hub.run_once()
    raise AssertionError(f"{len(inbox.bodies)} of {count} after {rounds} rounds")


# --- acknowledging from other threads -------------------------------------------------------------------


def test_acks_from_several_threads_while_the_connection_receives_and_publishes(client: Client) -> None:
    connection, source, target = client(), queue(), queue()
    for number in range(300):
        put(connection, source, number)
    to_ack: SimpleQueue[kombu.Message | None] = SimpleQueue()
    errors: list[BaseException] = []

    def acknowledge() -> None:
        try:
            while (message := to_ack.get()) is not None:
                message.ack()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=acknowledge) for _ in range(6)]
    for thread in threads:
        thread.start()
    inbox = Inbox(connection, source, ack=False, prefetch=12)
    seen = 0
    deadline = time.monotonic() + 120
    while seen < 300 and time.monotonic() < deadline:
        with suppress(TimeoutError):
            connection.drain_events(timeout=0.5)
        for message in inbox.messages[seen:]:
            to_ack.put(message)
            put(connection, target, message.payload)
        seen = len(inbox.messages)
    for _ in threads:
        to_ack.put(None)
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert sorted(inbox.bodies) == list(range(300))
    connection.close()
    other = client()
    assert Inbox(other, source).stays_at(0)
    assert len(Inbox(other, target).drain(300)) == 300


def test_an_ack_from_another_thread_makes_room_for_who_waits(client: Client) -> None:
    connection, q = client(), queue()
    put(connection, q, 1)
    put(connection, q, 2)
    inbox = Inbox(connection, q, ack=False, prefetch=1)
    inbox.drain(1)
    threading.Timer(0.1, inbox.messages[0].ack).start()
    connection.drain_events(timeout=10)
    assert inbox.bodies == [1, 2]


def test_an_ack_after_the_connection_was_closed_is_refused_and_does_not_connect_again(client: Client) -> None:
    connection, q = client(), queue()
    put(connection, q, "x")
    inbox = Inbox(connection, q, ack=False)
    inbox.drain(1)
    transport = connection.transport
    connection.close()
    with pytest.raises(BrokerUnavailable):
        inbox.messages[0].ack()
    assert transport._opened is None
    assert Inbox(client(), q).drain(1) == ["x"]


def test_a_forked_copy_of_a_connection_changes_nothing_of_the_parents(client: Client) -> None:
    """As a child of Celery's prefork pool that closes what it has inherited."""
    connection, q = client(), queue()
    put(connection, q, "x")
    inbox = Inbox(connection, q, ack=False)
    inbox.drain(1)
    child = os.fork()
    if child == 0:
        outcome = 1
        try:
            with suppress(BrokerUnavailable):
                inbox.messages[0].ack()
                outcome = 2
            connection.close()
            outcome = 0 if outcome == 1 else outcome
        finally:
            os._exit(outcome)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert Inbox(client(), q).stays_at(0), "the parent still holds it"
    inbox.messages[0].ack()
    connection.close()
    assert Inbox(client(), q).stays_at(0)


# --- leases ---------------------------------------------------------------------------------------------


def test_the_first_callback_may_take_longer_than_the_lease(client: Client) -> None:
    connection, other, q = client(lease_seconds=2), client(lease_seconds=2), queue()
    put(connection, q, "x")
    rival = Inbox(other, q)
    rival.consumer.cancel()

    def long_work(body: str, message: kombu.Message) -> None:
        rival.consumer.consume()
        with pytest.raises(TimeoutError):
            other.drain_events(timeout=6)
        message.ack()

    consumer = kombu.Consumer(connection.channel(), [q], callbacks=[long_work])
    consumer.qos(prefetch_count=1)
    consumer.consume()
    connection.drain_events(timeout=5)
    assert rival.bodies == []


def test_a_message_got_directly_is_kept_longer_than_the_lease(client: Client) -> None:
    connection, other, q = client(lease_seconds=2), client(lease_seconds=2), queue()
    put(connection, q, "x")
    message = q(connection.default_channel).get()
    rival = Inbox(other, q)
    with pytest.raises(TimeoutError):
        other.drain_events(timeout=6)
    assert rival.bodies == []
    message.ack()


def test_a_connection_that_is_forgotten_gives_its_messages_back(client: Client, request: object) -> None:
    q, connection = queue(), client(lease_seconds=0.5)
    put(connection, q, "x")
    url, options = connection.as_uri(include_password=True), connection.transport_options
    with kombu.Connection(url, transport_options=options) as taker:
        # As a function whose connection goes out of scope without being closed.
        Inbox(taker, q, ack=False).drain(1)
        thread = taker.transport._keeper._thread
        taker._transport = taker._connection = taker._default_channel = None
    del taker
    gc.collect()
    eventually(lambda: not thread.is_alive(), 10, "nobody keeps the leases of a forgotten connection")
    assert Inbox(client(), q).drain(1) == ["x"]


def test_a_consumed_queue_that_ended_with_a_lost_lease_is_a_lost_connection(client: Client) -> None:
    """Where the client is asleep for longer than its lease: it has to declare its queues again."""
    connection, other = client(lease_seconds=0.5), client(lease_seconds=0.5)
    q = queue(auto_delete=True)
    Inbox(connection, q)
    transport = connection.transport
    transport._keeper.stop()
    Inbox(other, queue())
    eventually(lambda: q.name not in other.transport.store.queues(), 15, "the queue ends with its user")
    transport.keep()
    with pytest.raises(connection.connection_errors, match=q.name):
        connection.drain_events(timeout=5)


# --- kombu's event loop ---------------------------------------------------------------------------------


def test_the_transport_says_that_it_has_a_place_in_the_event_loop(client: Client) -> None:
    assert client().transport.implements.asynchronous


@pytest.mark.parametrize("prefetch", [1, 8, None])
def test_the_event_loop_delivers_all(client: Client, prefetch: int | None) -> None:
    connection, q = client(), queue()
    for number in range(100):
        put(connection, q, number)
    inbox = Inbox(connection, q, prefetch=prefetch)
    with event_loop(connection) as hub:
        run(hub, inbox, 100, rounds=1000)
    assert inbox.bodies == list(range(100))


def test_the_event_loop_delivers_what_is_published_while_it_sleeps_and_does_not_spin(client: Client) -> None:
    connection, publisher, q = client(), client(), queue()
    inbox = Inbox(connection, q, prefetch=4)
    put(publisher, q, 0)
    with event_loop(connection) as hub:
        run(hub, inbox, 1)
        looks: list[int] = []
        reserve = connection.transport.store.reserve
        connection.transport.store.__dict__["reserve"] = lambda *each: looks.append(1) or reserve(*each)
        later = threading.Timer(1.5, put, (publisher, q, 1))
        later.start()
        rounds = run(hub, inbox, 2)
        later.join()
    # One look and one more after it has begun to listen, each second, and for the message.
    assert len(looks) <= 12, "it looks again and again though nothing is there"
    assert rounds <= 30


def test_the_event_loop_that_is_full_neither_spins_nor_sleeps_on(client: Client) -> None:
    connection, q = client(), queue()
    put(connection, q, 1)
    put(connection, q, 2)
    inbox = Inbox(connection, q, ack=False, prefetch=1)
    with event_loop(connection) as hub:
        run(hub, inbox, 1)
        later = threading.Timer(1.5, inbox.messages[0].ack)
        later.start()
        assert run(hub, inbox, 2) <= 30
        later.join()
    assert inbox.bodies == [1, 2]


def test_a_channel_that_is_full_holds_up_no_other_in_the_event_loop(client: Client) -> None:
    connection, one, other = client(), queue(), queue()
    full, free = Inbox(connection, one, ack=False, prefetch=1), Inbox(connection, other)
    for number in range(3):
        put(connection, one, number)
        put(connection, other, number)
    with event_loop(connection) as hub:
        run(hub, free, 3)
        put(connection, other, 3)
        run(hub, free, 4)
        assert full.bodies == [0]
        full.messages[0].ack()
        run(hub, full, 2)


@pytest.mark.parametrize("way", ["event loop", "drain_events"])
def test_room_that_celery_makes_without_an_ack_is_seen(client: Client, way: str) -> None:
    """As with worker_disable_prefetch, which replaces `can_consume`; another channel has room all the time."""
    connection, q = client(), queue()
    inbox, other = Inbox(connection, q), Inbox(connection, queue())
    has_room = [False]
    inbox.consumer.channel.qos.can_consume = lambda: has_room[0]
    put(connection, q, "x")
    with event_loop(connection) as hub:
        for _ in range(3):
            hub.run_once() if way == "event loop" else other.stays_at(0)
        assert inbox.bodies == []
        has_room[0] = True
        if way == "event loop":
            run(hub, inbox, 1)
    assert inbox.drain(1) == ["x"]


def test_a_closed_connection_leaves_the_event_loop(client: Client) -> None:
    connection, q = client(), queue()
    Inbox(connection, q)
    with event_loop(connection) as hub:
        for _ in range(3):
            hub.run_once()
        assert hub.on_tick
        assert hub.readers
        connection.close()
        assert not hub.on_tick
        assert not hub.readers
        again = client()
        again.register_with_event_loop(hub)
        inbox = Inbox(again, q)
        put(again, q, "x")
        run(hub, inbox, 1)


def test_an_event_loop_that_was_reset_is_left_in_peace(client: Client) -> None:
    """Celery resets the loop before it closes the connection that failed."""
    connection = client()
    Inbox(connection, queue())
    with event_loop(connection) as hub:
        for _ in range(3):
            hub.run_once()
        hub.reset()
        connection.close()
        assert not hub.on_tick


def test_a_message_that_is_due_later_comes_by_the_event_loop(client: Client) -> None:
    from fleet.broker.delivery import Posting
    from fleet.protocol import Encoded

    connection, q = client(), queue()
    inbox = Inbox(connection, q)
    later = Encoded(b'"later"', {}, {}, "application/json", "utf-8")
    connection.transport.store.publish([Posting(q.name, later, 0.4)])
    with event_loop(connection) as hub:
        run(hub, inbox, 1)
    assert inbox.bodies == ["later"]
