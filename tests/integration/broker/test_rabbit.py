"""What is RabbitMQ's own: kinds of queues, counting, consumers that the broker takes away, silence."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import kombu
import pytest

from fleet.broker import passive_stats
from fleet.broker.consumer import Subscription
from fleet.broker.delivery import BrokerUnavailable, Posting, QueueMismatch
from fleet.broker.link import Link
from fleet.broker.open import queue_stats
from fleet.broker.rabbitmq import confirmed_publisher as publisher
from fleet.broker.rabbitmq import connection, delays, queues
from fleet.broker.rabbitmq.delays import DelayQueues
from fleet.broker.rabbitmq.queue_consumers import Consumers
from fleet.broker.topology import delay_queue
from fleet.protocol import Encoded
from fleet.spec import BrokerSpec, RoutingSpec
from fleet.worker.headers import attempts_of
from tests.brokers import OwnRabbit
from tests.chaos.proxy import Proxy
from tests.conftest import Broker, make_broker
from tests.integration.broker.links import Desk, call, first_arguments
from tests.support import eventually

pytestmark = pytest.mark.broker

QUORUM = {"x-queue-type": "quorum"}


@pytest.fixture(params=["classic", "quorum"])
def desk(request: pytest.FixtureRequest, short_folder: Any) -> Iterator[Desk]:
    for broker in make_broker("amqp", request, short_folder):
        desk = Desk(broker)
        if request.param == "quorum":
            desk.queue = replace(desk.queue, arguments=QUORUM)
        yield desk
        desk.close()


def is_quorum(desk: Desk) -> bool:
    return bool(desk.queue.arguments)


def delete_queue(desk: Desk, name: str) -> None:
    with kombu.Connection(desk.broker.url) as client:
        client.default_channel.queue_delete(name)


def ready(desk: Desk, name: str) -> int:
    with kombu.Connection(desk.broker.url) as client:
        return int(client.default_channel.queue_declare(name, passive=True).message_count)


def exists(desk: Desk, name: str) -> bool:
    with kombu.Connection(desk.broker.url) as client:
        try:
            client.default_channel.queue_declare(name, passive=True)
        except client.channel_errors:
            return False
        return True


# --- acks -----------------------------------------------------------------------------------------------


def test_acks_of_a_run_are_one_frame(desk: Desk) -> None:
    link = desk.link(prefetch=100)
    desk.send(*range(50))
    deliveries = desk.receive(link, 50)
    channel = link._line._channel  # type: ignore[attr-defined]
    frames: list[tuple[int, bool]] = []
    original = channel.basic_ack

    def basic_ack(tag: int, multiple: bool = False) -> None:
        frames.append((tag, multiple))
        original(tag, multiple)

    channel.basic_ack = basic_ack
    link.ack(deliveries[:30])
    link.ack([deliveries[40]])
    assert frames == [(deliveries[29].tag, True), (deliveries[40].tag, False)]
    link.close()
    assert eventually(lambda: ready(desk, desk.queue.name) == 19)


# --- prefetch -------------------------------------------------------------------------------------------


def test_more_and_less_is_held_as_told(desk: Desk) -> None:
    link = desk.link(prefetch=2)
    desk.send(*range(30))
    held = desk.receive(link, 2)
    assert desk.nothing(link, 0.2)
    link.set_prefetch(10)
    more = desk.receive(link, 8)
    assert desk.nothing(link, 0.2)
    link.set_prefetch(2)
    link.ack(more)  # these came by what was taken ahead: nothing follows
    assert desk.nothing(link, 0.2)
    link.ack(held)
    desk.receive(link, 2)
    assert desk.nothing(link, 0.2)


def test_less_than_at_first_is_held_too(desk: Desk) -> None:
    link = desk.link(prefetch=4)
    desk.send(*range(30))
    link.ack(desk.receive(link, 4))
    held = desk.receive(link, 4)
    link.set_prefetch(2)
    link.requeue(held, counted=False)
    desk.receive(link, 2)
    assert desk.nothing(link, 0.2)


def test_the_prefetch_holds_across_connections_and_pauses(desk: Desk) -> None:
    link = desk.link(prefetch=2)
    link.set_prefetch(5)
    link.pause()
    link.set_prefetch(6)
    link.connect()
    desk.send(*range(10))
    assert desk.nothing(link, 0.2)
    link.resume()
    desk.receive(link, 6)
    assert desk.nothing(link, 0.2)


# --- counting -------------------------------------------------------------------------------------------


def test_what_never_started_is_not_counted(desk: Desk) -> None:
    desk.send("x")
    for _ in range(4):
        link = desk.link()
        deliveries = desk.receive(link)
        link.pause()
        link.requeue(deliveries, counted=False)
        link.close()
    [again] = desk.receive(desk.link())
    # A classic queue does not say how often, only that it has been handed out before.
    assert attempts_of(again) == (1 if is_quorum(desk) else 2)
    assert call(again).args == ("x",)


def test_a_delivery_that_was_started_counts_as_an_attempt(desk: Desk) -> None:
    desk.send("x")
    for expected in (1, 2, 3):
        link = desk.link()
        [delivery] = desk.receive(link)
        assert (attempts_of(delivery), delivery.redelivered) == (expected, expected > 1)
        link.pause()
        link.requeue([delivery], counted=True)
        link.close()


# --- delays ---------------------------------------------------------------------------------------------


def test_delays_share_few_queues_which_are_asked_for_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []
    make = DelayQueues._make

    def noted(self: DelayQueues, name: str, *args: Any, **options: Any) -> None:
        made.extend([] if name in self._made else [name])
        make(self, name, *args, **options)

    monkeypatch.setattr(DelayQueues, "_make", noted)
    link = desk.link()
    desk.send(1, 2, delay=0.11)
    desk.send(3, delay=0.2)
    assert sorted(first_arguments(desk.receive(link, 3))) == [1, 2, 3]
    assert made == [delay_queue(200)]


def test_before_rabbitmq_3_10_delays_wait_in_classic_queues(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (delays, queues):
        monkeypatch.setattr(module, "hands_over_at_least_once", lambda _: False)
    link = desk.link()
    desk.send(1, delay=0.5)
    assert first_arguments(desk.receive(link, within=30.0)) == [1]
    assert exists(desk, "fleet.delay.classic.500ms")


@pytest.mark.parametrize("arguments", [{}, QUORUM], ids=["classic", "quorum"])
def test_a_delay_queue_that_somebody_has_deleted_is_made_again(vhost: str, arguments: dict[str, str]) -> None:
    """In a vhost of its own: what others wait for in that queue goes with it."""
    desk = Desk(Broker("amqp", vhost))
    desk.queue = replace(desk.queue, arguments=arguments)
    link = desk.link()
    desk.send(1, delay=0.1)
    assert first_arguments(desk.receive(link)) == [1]
    delete_queue(desk, delay_queue(100))
    desk.send(2, delay=0.1)
    assert first_arguments(desk.receive(link)) == [2]
    desk.close()


# --- what the broker takes away -------------------------------------------------------------------------


def test_a_queue_that_was_deleted_is_made_again_and_consumed(desk: Desk) -> None:
    link = desk.link()
    link.set_prefetch(20)
    desk.send("before")
    [running] = desk.receive(link)
    delete_queue(desk, desk.queue.name)

    def is_back() -> bool:
        link.wait(0.05, desk.wake_read)
        return exists(desk, desk.queue.name)

    eventually(is_back)
    desk.send("after")
    assert first_arguments(desk.receive(link)) == ["after"]
    link.ack([running])  # it went with its queue: settling it does no harm
    desk.send("more")
    assert first_arguments(desk.receive(link)) == ["more"]


def test_a_queue_with_other_settings_is_told_as_such(desk: Desk) -> None:
    desk.link().close()
    other = replace(desk.queue, message_ttl_seconds=60.0)
    with pytest.raises(QueueMismatch, match="x-message-ttl"):
        desk.link(other)


def test_a_delivery_held_too_long_costs_the_connection_but_nothing_else(own_rabbit: OwnRabbit) -> None:
    """RabbitMQ closes the channel (406) when a delivery is unacknowledged for `consumer_timeout`."""
    own_rabbit.stop()
    own_rabbit.settings = {"consumer_timeout": 1000, "channel_tick_interval": 500}
    own_rabbit.start()
    desk = Desk(Broker("amqp", own_rabbit.url))
    link = desk.link()
    desk.send("slow")
    desk.receive(link)
    with pytest.raises(BrokerUnavailable, match="timed out") as caught:
        while True:
            link.wait(5, desk.wake_read)
    assert not isinstance(caught.value, QueueMismatch)
    link.connect()
    [again] = desk.receive(link)
    assert again.redelivered
    link.ack([again])
    desk.send("next")
    assert first_arguments(desk.receive(link)) == ["next"]
    desk.close()


# --- heartbeats -----------------------------------------------------------------------------------------


def test_a_loop_that_is_blocked_keeps_its_connection_by_renewing(desk: Desk) -> None:
    spec = BrokerSpec(desk.broker.url, heartbeat_seconds=1.0)
    link, silent = (
        Link(Subscription(spec, [desk.queue], prefetch=5, identity=name)) for name in ("blocked", "silent")
    )
    link.connect()
    desk.send("x")
    deliveries = desk.receive(link)
    silent.connect()

    def hung_up_on_who_is_silent() -> bool:
        link.renew()
        return _is_hung_up(silent)

    eventually(hung_up_on_who_is_silent, within=30, message="the broker hangs up after two heartbeats")
    silent.close()
    link.ack(deliveries)
    assert desk.nothing(link, 0.1)
    link.close()
    assert ready(desk, desk.queue.name) == 0


def _is_hung_up(link: Link) -> bool:
    """Whether the broker has closed the connection; its own heartbeats are read on the way."""
    sock = link._line._connection.amqp.sock  # type: ignore[attr-defined]
    try:
        sock.setblocking(False)
        while sock.recv(65536):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@pytest.fixture
def rabbit_url(request: pytest.FixtureRequest, short_folder: Any) -> Iterator[str]:
    for broker in make_broker("amqp", request, short_folder):
        yield broker.url


def test_rabbitmq_gives_up_a_cut_link_within_two_heartbeats(rabbit_url: str) -> None:
    """To it a cut link is a client that says nothing. It sends two beats in each heartbeat agreed to."""
    declared = 3.0
    opened = connection.AmqpConnection(BrokerSpec(rabbit_url, heartbeat_seconds=declared), name="cut")
    sock, heard = opened.amqp.sock, b""
    sock.settimeout(30)
    with suppress(ConnectionResetError):
        while data := sock.recv(65536):
            heard += data
    beats = heard.count(bytes([8, 0, 0, 0, 0, 0, 0, 0xCE]))
    opened.close()
    assert 0 < beats * opened.amqp.heartbeat / 2 <= 2 * declared
    assert 3 * opened.amqp.heartbeat <= 2 * declared


@pytest.mark.parametrize(("parameters", "declared"), [("", 30.0), ("", 2.0), ("?heartbeat=6", 6.0)])
def test_fleet_gives_up_a_cut_link_within_two_heartbeats(
    rabbit_url: str, parameters: str, declared: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = BrokerSpec(rabbit_url + parameters, heartbeat_seconds=30.0 if parameters else declared)
    opened = connection.AmqpConnection(spec, name="cut")
    looks = count(1)
    now = 1000.0
    monkeypatch.setattr("amqp.connection.monotonic", lambda: now)
    opened.beat()  # the last thing that it hears: when it connected
    with pytest.raises(BrokerUnavailable):
        while next(looks) < 100:
            now += opened.look_every_seconds
            opened.beat()
    opened.close()
    # One more than it took: the last sign of life may have come just after a look.
    assert next(looks) * opened.look_every_seconds <= 2 * declared


@pytest.fixture
def proxied(request: pytest.FixtureRequest, short_folder: Any) -> Iterator[tuple[Desk, Proxy]]:
    for broker in make_broker("amqp", request, short_folder):
        port = urlsplit(broker.url).port or 5672
        proxy = Proxy(port)
        through = replace(broker, url=broker.url.replace(f":{port}", f":{proxy.port}"))
        desk = Desk(through, {"heartbeat_seconds": 1.0})
        yield desk, proxy
        proxy.thaw()
        desk.close()
        proxy.close()


def test_a_worker_finds_out_that_its_connection_only_seems_to_live(proxied: tuple[Desk, Proxy]) -> None:
    desk, proxy = proxied
    link = desk.link()
    proxy.half_open()
    with pytest.raises(BrokerUnavailable):
        desk.nothing(link, 20)
    link.connect()
    desk.send("x")
    assert first_arguments(desk.receive(link)) == ["x"]


def in_time(action: Callable[[], object]) -> BaseException | None:
    """What it raises, if anything; an AssertionError if it does not end. The proxied desk's heartbeat is 1 s."""
    raised: list[BaseException | None] = []

    def run() -> None:
        try:
            action()
        except Exception as error:
            raised.append(error)
        else:
            raised.append(None)

    threading.Thread(target=run, daemon=True).start()
    eventually(lambda: raised, within=20, message="the wait ends")
    return raised[0]


def test_a_connection_that_failed_half_made_takes_no_acks_of_an_older_one(
    proxied: tuple[Desk, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both count their deliveries from 1: an ack of the old first one would be the end of the new first one."""
    desk, proxy = proxied
    link = desk.link(prefetch=1)
    link.set_prefetch(3)  # taken ahead by a consumer of its own
    desk.send("a")
    running = desk.receive(link)
    desk.send("b", "c")
    proxy.cut()
    consume = Consumers._consume

    def frozen_ahead(self: Consumers, consumer: Any, prefetch: int) -> None:
        if consumer.is_ahead:
            proxy.freeze()
        consume(self, consumer, prefetch)

    with monkeypatch.context() as patch, pytest.raises(BrokerUnavailable):
        patch.setattr(Consumers, "_consume", frozen_ahead)
        link.connect()
    proxy.thaw()
    with suppress(BrokerUnavailable):
        link.ack(running)
    link.connect()
    assert sorted(first_arguments(desk.receive(link, 3))) == ["a", "b", "c"]


@pytest.mark.parametrize("waits_for", ["an answer", "a confirmation"])
def test_every_wait_ends_when_the_broker_falls_silent(
    proxied: tuple[Desk, Proxy], monkeypatch: pytest.MonkeyPatch, waits_for: str
) -> None:
    """However long it would wait for a broker that is slow, but shows that it lives."""
    desk, proxy = proxied
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 3600.0)
    monkeypatch.setattr(publisher, "ANSWER_SECONDS", 3600.0)
    link = desk.link()
    desk.send("x")
    link.retry(*desk.receive(link), delay_seconds=0, retries=1)  # opens the connection that publishes
    [delivery] = desk.receive(link)
    proxy.half_open()
    if waits_for == "an answer":
        raised = in_time(link.pause)
    else:
        raised = in_time(lambda: link.retry(delivery, delay_seconds=0, retries=1))
        assert raised is None, "the message stays here, and who consumes finds out for itself"
        assert link.held == 1
        return
    assert isinstance(raised, BrokerUnavailable)


def test_a_send_notices_silence_and_goes_by_a_new_connection(
    proxied: tuple[Desk, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, proxy = proxied
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 3600.0)
    monkeypatch.setattr(publisher, "ANSWER_SECONDS", 3600.0)
    desk.send("before")
    proxy.half_open()
    assert in_time(lambda: desk.send("after")) is None
    assert first_arguments(desk.receive(desk.link(), 2)) == ["before", "after"]


def test_a_broker_that_lives_but_never_answers_is_given_up(
    proxied: tuple[Desk, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under a memory alarm, which keeps it from reading what we ask; its heartbeats come."""
    desk, _ = proxied
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 3.0)
    link = desk.link()
    opened = link._line._connection  # type: ignore[attr-defined]
    opened._write = lambda *_frame: None
    assert isinstance(in_time(link.pause), BrokerUnavailable)


def test_reading_the_figures_of_a_frozen_broker_ends(
    proxied: tuple[Desk, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, proxy = proxied
    desk.send("x")
    passive = passive_stats.passive

    def fall_silent_first(opened: Any, name: str) -> Any:
        proxy.half_open()
        return passive(opened, name)

    monkeypatch.setattr(passive_stats, "passive", fall_silent_first)
    routing = RoutingSpec(desk.spec, (desk.queue,), ())
    assert isinstance(in_time(lambda: queue_stats(routing)), BrokerUnavailable)


def test_heartbeats_are_on_by_default() -> None:
    assert BrokerSpec("amqp://").heartbeat_seconds == 30


# --- publishing -----------------------------------------------------------------------------------------


def test_a_send_into_silence_is_an_error(
    proxied: tuple[Desk, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    desk, proxy = proxied
    desk.send("before")
    monkeypatch.setattr(publisher, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(connection, "ANSWER_SECONDS", 1.0)
    monkeypatch.setattr(connection, "_CONNECT_SECONDS", 1.0)
    proxy.freeze()
    with pytest.raises(BrokerUnavailable):
        desk.send("lost")
    proxy.thaw()
    desk.send("after")


def test_what_the_broker_refuses_is_an_error(desk: Desk) -> None:
    limits = {**desk.queue.arguments, "x-max-length": 2, "x-overflow": "reject-publish"}
    desk.queue = replace(desk.queue, arguments=limits)
    with pytest.raises(BrokerUnavailable, match="refused a message for queue"):
        for number in range(50):  # a quorum queue lets a few more in
            desk.send(number)


def test_a_queue_that_is_gone_swallows_nothing(desk: Desk) -> None:
    desk.send("first")
    delete_queue(desk, desk.queue.name)
    desk.send("second")
    assert first_arguments(desk.receive(desk.link())) == ["second"]


def test_publishing_by_a_connection_that_was_found_closed_is_an_error(desk: Desk) -> None:
    """A worker gives back what waited when it learns of that, and does so by the same connection."""
    link = connection.AmqpConnection(desk.spec, name="closed")
    sender = publisher.ConfirmedPublisher(link)
    link.amqp.collect()  # what py-amqp does when it reads that the broker closes
    with pytest.raises(BrokerUnavailable, match="the connection is closed"):
        sender.publish([Posting(desk.queue.name, Encoded(b"[]", {}, {}))])


def test_a_batch_waits_for_its_confirms_together(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.send("declares the queue")
    waits: list[int] = []
    original = publisher.ConfirmedPublisher._await_confirms

    def await_confirms(self: publisher.ConfirmedPublisher, most: int) -> None:
        waits.append(most)
        original(self, most)

    monkeypatch.setattr(publisher.ConfirmedPublisher, "_await_confirms", await_confirms)
    desk.send(*range(400))
    assert waits == [0], "one wait for all"
    assert ready(desk, desk.queue.name) == 401, "a send that has returned is on the broker"


def test_a_message_that_cannot_be_written_is_the_only_one_that_fails(desk: Desk) -> None:
    desk.send("connects")
    bad = Posting(desk.queue.name, Encoded(b"[]", {}, {"reply_to": "x" * 300}))
    good = Posting(desk.queue.name, Encoded(b"[]", {}, {}))
    with pytest.raises(ValueError, match="255 bytes"):
        desk.producer().publish([good, bad], desk.queue)
    assert ready(desk, desk.queue.name) == 1
    assert not desk.producer()._publisher._publisher._unconfirmed  # type: ignore[union-attr]
    desk.send("next")


class Counted:
    """A socket that counts how often it is read and written."""

    def __init__(self, sock: Any) -> None:
        self._sock = sock
        self.reads = self.writes = 0

    def recv(self, size: int) -> Any:
        self.reads += 1
        return self._sock.recv(size)

    def sendall(self, data: Any) -> None:
        self.writes += 1
        self._sock.sendall(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def counted(connection: Any) -> Counted:
    transport = connection.amqp.transport
    transport.sock = counted = Counted(transport.sock)
    transport._write = counted.sendall
    return counted


def test_a_batch_is_written_and_read_many_messages_at_a_time(desk: Desk) -> None:
    link = desk.link(prefetch=500)
    desk.send("connects")
    link.ack(desk.receive(link))
    wire = counted(desk.producer()._publisher._connection)  # type: ignore[union-attr]
    desk.send(*range(500))
    assert wire.writes == 500 / publisher._AT_ONCE
    wire = counted(link._line._connection)  # type: ignore[attr-defined]
    link.ack(desk.receive(link, 500))
    assert wire.writes <= 10, "acks of all that has come, in one frame each time"
    assert wire.reads < 100, "it would be six for each message"
