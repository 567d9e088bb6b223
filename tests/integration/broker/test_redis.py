"""What is particular to Redis: its waiting, its connections, and which servers it works with."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis

from fleet.broker.delivery import BrokerUnavailable, Posting
from fleet.broker.leased import consumer as leased
from fleet.broker.link import Link
from fleet.broker.open import open_store
from fleet.broker.redis.blocked_readers import BlockedReaders, List
from fleet.broker.redis.connect import Server
from fleet.broker.redis.store import RedisStore
from fleet.spec import BrokerSpec
from tests.brokers import OwnRedis, OwnServer, unavailable
from tests.chaos.proxy import Proxy
from tests.conftest import Broker
from tests.integration.broker.links import Desk, first_arguments
from tests.integration.broker.stores import message
from tests.support import eventually

# What a client asked for; what scripts do inside the server comes on top of it in Redis's own counts.
ASKED = ("blmove", "client|unblock", "eval", "evalsha")


@pytest.fixture
def own(own_redis: OwnRedis) -> Iterator[Desk]:
    desk = Desk(Broker("redis", own_redis.url))
    yield desk
    desk.close()


def asked(server: OwnRedis) -> int:
    """How many commands clients have sent; our own are others."""
    with redis.Redis(port=server.port) as client:
        statistics = client.info("commandstats")
    return sum(statistics.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ASKED)


# --- waiting --------------------------------------------------------------------------------------------


def test_an_idle_worker_asks_less_than_once_a_second(own: Desk, own_redis: OwnRedis) -> None:
    link = own.link()
    link.wait(0.1, own.wake_read)
    before, seconds = asked(own_redis), 4.0
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        link.wait(min(left, 0.5), own.wake_read)  # its loop turns for reasons of its own
    assert asked(own_redis) - before < seconds


def test_who_has_just_looked_needs_no_renewal(own_redis: OwnRedis, monkeypatch: pytest.MonkeyPatch) -> None:
    store = RedisStore(own_redis.url, owner="fresh", lease_seconds=3600)
    store.reserve(["q"], 1)
    before = asked(own_redis)
    store.renew()
    assert asked(own_redis) == before
    monkeypatch.setattr(store._lease, "_fresh_until", time.monotonic())
    store.renew()
    assert asked(own_redis) == before + 1
    store.close()


def test_who_looks_without_waiting_asks_once(own: Desk, own_redis: OwnRedis) -> None:
    """A worker with a free slot that settles what ends: it must not open its readers each time."""
    link = own.link()
    link.wait(0, own.wake_read)
    before = asked(own_redis)
    for _ in range(10):
        link.wait(0, own.wake_read)
    assert asked(own_redis) - before == 10


def test_many_are_settled_in_batches_so_that_others_are_served_between(own_redis: OwnRedis) -> None:
    """Ten thousand green threads may end at once; a script of that size keeps the server for half a second."""
    store = RedisStore(own_redis.url, owner="many")
    store.publish([Posting("q", message())] * 2500)
    tags = [claim.tag for _ in range(3) for claim in store.reserve(["q"], 1000)]
    store.ack(tags[:1])  # from now on the server knows both scripts
    store.release(tags[1:2])
    before = asked(own_redis)
    assert store.ack(tags[2:1500]) == 1498
    assert asked(own_redis) - before == 2
    assert store.release(tags[1500:]) == 1000
    assert asked(own_redis) - before == 3
    assert store.size("q") == 1001
    store.close()


def test_a_message_that_wakes_an_idle_worker_is_there_after_one_question(
    own: Desk, own_redis: OwnRedis
) -> None:
    """Then comes what it did not have to wait for: the ack, and listening again."""
    link = own.link(prefetch=1)
    own.producer()
    assert link.wait(0.1, own.wake_read) == []  # its readers are open
    own.send("warm")
    link.ack(own.receive(link))
    assert link.wait(0.1, own.wake_read) == []
    own.send("x")
    before = asked(own_redis)
    [delivery] = own.receive(link)
    assert asked(own_redis) - before == 1, "reserve"
    link.ack([delivery])
    assert asked(own_redis) - before == 2
    assert link.wait(0.1, own.wake_read) == []
    assert asked(own_redis) - before <= 2 + 4, "look, listen (two commands), look once more"


def test_what_is_moved_to_us_while_a_reservation_is_answered_is_not_left_lying(
    own: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The script has looked already, and what would wake us is read together with its reply."""
    monkeypatch.setattr(leased, "_LOOK_AGAIN_SECONDS", 3600.0)
    link, late = own.link(), ["late"]
    own.producer()
    collect = BlockedReaders.collect

    def comes_first(readers: BlockedReaders) -> None:
        if late and readers.may_have_moved():
            store = link._line._store  # type: ignore[attr-defined]
            eventually(store._wire.readable, within=5, message="the reservation to have run")
            own.send(late.pop())
            [reader] = readers._readers.values()
            eventually(reader.wire.readable, within=5, message="the message to be moved")
        collect(readers)

    monkeypatch.setattr(BlockedReaders, "collect", comes_first)
    [delivery] = own.receive(link, within=5)
    assert delivery.headers["id"] == "late"
    assert not late
    link.ack([delivery])


def test_many_messages_cost_two_questions_a_batch(own: Desk, own_redis: OwnRedis) -> None:
    link = own.link(prefetch=100)
    own.send("warm")
    link.ack(own.receive(link))
    own.send(*range(1000))
    before, found = asked(own_redis), 0
    while found < 1000:
        deliveries = link.wait(1, own.wake_read)
        link.ack(deliveries)
        found += len(deliveries)
    assert asked(own_redis) - before == 2 * 1000 // 100


def test_room_for_a_few_more_is_not_asked_for_each_time(
    own: Desk, own_redis: OwnRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where tasks are short; after a moment it is."""
    monkeypatch.setattr(leased, "_ASK_AGAIN_SECONDS", 3600.0)
    link = own.link(prefetch=100)
    own.send(*range(200))
    held = own.receive(link, 100)
    for delivery in held[:25]:
        assert link.wait(0, own.wake_read) == []
        link.ack([delivery])
    before = asked(own_redis)
    assert len(link.wait(0, own.wake_read)) == 25
    assert asked(own_redis) - before == 1
    link.ack(held[25:26])
    assert link.wait(0, own.wake_read) == []
    monkeypatch.setattr(leased, "_ASK_AGAIN_SECONDS", 0.005)
    assert len(link.wait(10, own.wake_read)) == 1


def test_what_is_sent_costs_one_question_a_batch(own: Desk, own_redis: OwnRedis) -> None:
    own.send("connects")
    before = asked(own_redis)
    own.send("one")
    own.send(*range(1000))
    assert asked(own_redis) - before == 2


def test_one_message_wakes_one_of_fifty(own: Desk, own_redis: OwnRedis) -> None:
    links = [own.link() for _ in range(50)]
    found: list[object] = []
    over = threading.Event()

    def idle(link: Link) -> None:
        wake, _ = pipes[links.index(link)]
        while not over.is_set():
            for delivery in link.wait(60, wake):
                found.append(delivery.tag)
                link.ack([delivery])

    pipes = [os.pipe() for _ in links]
    threads = [threading.Thread(target=idle, args=(link,)) for link in links]
    for thread in threads:
        thread.start()
    with redis.Redis(port=own_redis.port) as client:
        eventually(lambda: client.info("clients")["blocked_clients"] == 50, within=30)
        own.producer()
        moved = client.info("commandstats")["cmdstat_blmove"]["calls"]
        own.send("x")
        eventually(lambda: len(found) == 1)
        # The woken one blocks again, and nobody else has had to.
        eventually(lambda: client.info("clients")["blocked_clients"] == 50)
        assert client.info("commandstats")["cmdstat_blmove"]["calls"] - moved <= 1 + 1
    over.set()
    for (_, write), thread in zip(pipes, threads, strict=True):
        os.write(write, b"x")
        thread.join(30)
    for descriptor in (end for pipe in pipes for end in pipe):
        os.close(descriptor)


def test_who_pauses_is_not_woken_in_place_of_others(own: Desk) -> None:
    paused, other = own.link(), own.link()
    paused.wait(0.1, own.wake_read)
    paused.pause()
    assert paused.wait(0.1, own.wake_read) == []
    own.send("x")
    assert first_arguments(own.receive(other)) == ["x"]


# --- connections that break, or only seem to live -------------------------------------------------------


@pytest.fixture
def proxied(own_redis: OwnRedis) -> Iterator[tuple[Desk, Proxy]]:
    proxy = Proxy(own_redis.port)
    url = own_redis.url.replace(str(own_redis.port), str(proxy.port))
    desk = Desk(Broker("redis", url), {"transport_options": {"socket_timeout": 1.0}})
    yield desk, proxy
    proxy.thaw()
    desk.close()
    proxy.close()


def reconnect(link: Link, desk: Desk) -> None:
    """As a worker finds out that its connection is gone, and does about it."""

    def finds_out() -> bool:
        with pytest.raises(BrokerUnavailable):
            link.wait(0, desk.wake_read)
            raise AssertionError("not yet")
        return True

    eventually(finds_out, within=20)
    link.connect()


@pytest.mark.parametrize("fault", ["cut", "half_open"])
def test_what_runs_is_not_started_again_by_a_reconnect(proxied: tuple[Desk, Proxy], fault: str) -> None:
    desk, proxy = proxied
    link = desk.link()
    desk.send("runs")
    [running] = desk.receive(link)
    link.wait(0.1, desk.wake_read)  # its readers are open
    getattr(proxy, fault)()
    reconnect(link, desk)
    other = desk.link()
    assert desk.nothing(link)
    assert desk.nothing(other)
    link.ack([running])
    link.close()
    assert desk.nothing(other), "acknowledged, so not given back"
    desk.send("next")
    assert first_arguments(desk.receive(other)) == ["next"]


def test_what_ends_during_an_outage_is_settled_after_it(proxied: tuple[Desk, Proxy]) -> None:
    desk, proxy = proxied
    link = desk.link()
    desk.send("runs")
    [running] = desk.receive(link)
    proxy.refuse()
    with pytest.raises(BrokerUnavailable):
        link.ack([running])
    proxy.accept()
    link.connect()
    link.close()
    assert desk.nothing(desk.link())


def test_a_frozen_connection_hangs_nobody(proxied: tuple[Desk, Proxy]) -> None:
    """Neither who publishes nor who consumes, settles or renews; by default after 15 s, here after one."""
    desk, proxy = proxied
    link, producer = desk.link(), desk.producer()
    desk.send("runs")
    [running] = desk.receive(link)
    proxy.freeze()
    calls = {
        "publish": lambda: producer.publish([Posting(desk.queue.name, message())], desk.queue),
        "consume": lambda: link.wait(0, desk.wake_read),
        "settle": lambda: link.ack([running]),
        "connect": link.connect,
    }
    for name, call in calls.items():
        with pytest.raises(BrokerUnavailable):
            call()
        assert name
    link.renew()  # never raises, but must return
    proxy.thaw()
    link.connect()
    producer.publish([Posting(desk.queue.name, message())], desk.queue)


def test_what_was_claimed_as_the_connection_went_is_handed_out_after_it(
    proxied: tuple[Desk, Proxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was claimed and the reply read; then came the cut, before we had stopped to listen elsewhere."""
    desk, proxy = proxied
    link, late = desk.link(desk.queue, desk.dead), ["late"]
    unlisten = RedisStore.unlisten

    def cut_before(store: RedisStore) -> None:
        if late and store._held:
            late.clear()
            proxy.cut()
        unlisten(store)

    monkeypatch.setattr(RedisStore, "unlisten", cut_before)
    link.wait(0.1, desk.wake_read)  # its readers are open
    desk.send("x")
    reconnect(link, desk)
    assert not late
    [delivery] = desk.receive(link)
    assert delivery.attempt == 1
    link.ack([delivery])
    link.close()
    assert desk.nothing(desk.link())


@pytest.fixture
def silent(own_redis: OwnRedis) -> Iterator[tuple[RedisStore, Proxy]]:
    """A store that waits half a second for an answer."""
    proxy = Proxy(own_redis.port)
    url = own_redis.url.replace(str(own_redis.port), str(proxy.port))
    store = RedisStore(url, owner="silent", transport_options={"socket_timeout": 0.5})
    yield store, proxy
    store.close()
    proxy.close()


def test_readers_that_have_gone_silent_are_waited_for_once(
    silent: tuple[RedisStore, Proxy], own_redis: OwnRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not one after the other: a worker of many queues would hang for minutes."""
    store, proxy = silent
    waits: list[List] = []
    answer = BlockedReaders._answer
    monkeypatch.setattr(
        BlockedReaders,
        "_answer",
        lambda readers, key, **how: (waits.append(key), answer(readers, key, **how)),
    )
    store.listen(["a", "b", "c"])
    proxy.half_open()
    store._wire = Server(own_redis.url, {}).connect()  # the command to unblock gets through
    with pytest.raises(BrokerUnavailable):
        store.unlisten()
    assert len(waits) == 1
    monkeypatch.undo()
    assert store.reconnect()
    store.publish([Posting("b", message())])
    assert len(store.reserve(["a", "b", "c"], 10)) == 1


def test_when_the_readers_are_silent_nothing_is_asked_on_the_old_connection(
    silent: tuple[RedisStore, Proxy],
) -> None:
    """It is silent too: what the worker wants to settle in that moment would wait for a second timeout."""
    store, proxy = silent
    store.listen(["a"])
    store.unlisten()
    proxy.half_open()
    with pytest.raises(BrokerUnavailable):
        store.listen(["a"])
    store.publish([Posting("a", message())])
    assert store.size("a") == 1


def test_by_default_no_wait_is_for_ever(own_redis: OwnRedis) -> None:
    given = Server(own_redis.url, {})._pool.connection_kwargs
    assert (given["socket_timeout"], given["socket_connect_timeout"]) == (15.0, 5.0)
    assert given["socket_keepalive"]


@pytest.mark.parametrize(("lease", "at_most"), [(300, 15.0), (30, 10.0), (18, 6.0), (1, 5.0)])
def test_who_holds_messages_waits_no_longer_than_their_lease_allows(
    own_redis: OwnRedis, lease: float, at_most: float
) -> None:
    """Else the ack that a dead connection has swallowed is noticed when another worker has the message."""
    store = RedisStore(own_redis.url, owner="w", lease_seconds=lease)
    assert store._server._pool.connection_kwargs["socket_timeout"] == at_most
    said = RedisStore(
        own_redis.url, owner="w", lease_seconds=lease, transport_options={"socket_timeout": 7.0}
    )
    assert said._server._pool.connection_kwargs["socket_timeout"] == 7.0


def test_an_ack_that_a_silent_connection_swallows_comes_again_within_the_lease(own_redis: OwnRedis) -> None:
    proxy = Proxy(own_redis.port)
    store = RedisStore(
        own_redis.url.replace(str(own_redis.port), str(proxy.port)), owner="silent", lease_seconds=9
    )
    other = RedisStore(own_redis.url, owner="other", lease_seconds=9)
    store.publish([Posting("q", message())])
    [claim] = store.reserve(["q"], 1)
    proxy.half_open()
    with pytest.raises(BrokerUnavailable):
        store.ack([claim.tag])
    assert other.reserve(["q"], 1) == []
    store.reconnect()
    assert store.ack([claim.tag]) == 1
    for each in (store, other, proxy):
        each.close()


# --- servers of other kinds -----------------------------------------------------------------------------


def old_redis(listener: socket.socket) -> None:
    """Answers as Redis 6.0 would to what a client says first."""
    connection, _ = listener.accept()
    with connection, connection.makefile("rb") as lines:
        while header := lines.readline():
            words = []
            for _ in range(int(header[1:])):
                length = int(lines.readline()[1:])
                words.append(lines.read(length + 2)[:-2])
            info = b"# Server\r\nredis_version:6.0.16\r\n"
            answer = b"$%d\r\n%s\r\n" % (len(info), info) if words[0].upper() == b"INFO" else b"+OK\r\n"
            connection.sendall(answer)


def test_a_redis_that_is_too_old_is_refused_in_words() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=old_redis, args=(listener,))
        server.start()
        url = f"redis://:secret@127.0.0.1:{listener.getsockname()[1]}/0"
        with pytest.raises(BrokerUnavailable, match=r"Redis 6\.0\.16 is too old, fleet needs 6\.2") as caught:
            open_store(BrokerSpec(url))
        server.join(10)
    assert "secret" not in str(caught.value)


@dataclass
class TlsRedis(OwnRedis):
    """With a certificate for localhost that `ca` has signed: itself."""

    @property
    def ca(self) -> Path:
        return self.folder / "cert.pem"

    @property
    def url(self) -> str:
        return f"rediss://localhost:{self.port}/0"

    def certify(self) -> None:
        made = subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"),
                *("-nodes", "-days", "2", "-subj", "/CN=localhost"),
                *("-addext", "subjectAltName=DNS:localhost", "-out", str(self.ca)),
                *("-keyout", str(self.folder / "key.pem")),
            ],
            capture_output=True,
            text=True,
            check=False,
        )
        assert made.returncode == 0, made.stderr

    def command(self) -> list[str]:
        return [
            self.program,
            *("--bind", "127.0.0.1", "--port", "0", "--tls-port", str(self.port), "--save", ""),
            *("--dir", str(self.folder), "--tls-auth-clients", "no", "--tls-ca-cert-file", str(self.ca)),
            *("--tls-cert-file", str(self.ca), "--tls-key-file", str(self.folder / "key.pem")),
        ]


@pytest.fixture
def tls_redis() -> Iterator[TlsRedis]:
    if not shutil.which("redis-server") or not shutil.which("openssl"):
        unavailable("a Redis of the test's own with TLS")
    server = TlsRedis()
    server.certify()
    server.start()
    yield server
    server.destroy()


def test_tls_is_verified(tls_redis: TlsRedis) -> None:
    with pytest.raises(BrokerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
        open_store(BrokerSpec(tls_redis.url))
    store = open_store(BrokerSpec(f"{tls_redis.url}?ssl_ca_certs={tls_redis.ca}"))
    store.publish([Posting("q", message())])
    assert store.size("q") == 1
    store.close()
    by_option = BrokerSpec(tls_redis.url, transport_options={"ssl": {"ssl_ca_certs": str(tls_redis.ca)}})
    desk = Desk(Broker("redis", tls_redis.url), {"transport_options": by_option.transport_options})
    link = desk.link()
    link.wait(0.1, desk.wake_read)  # its readers speak TLS too
    desk.send("x")
    assert first_arguments(desk.receive(link)) == ["x"]
    desk.close()


@dataclass
class Sentinel(OwnServer):
    """Watches one master; told to, it makes the master's replica the next one."""

    program: str = "redis-server"
    master: int = 0  # port

    def command(self) -> list[str]:
        file = self.folder / "sentinel.conf"
        file.write_text(
            f"bind 127.0.0.1\nport {self.port}\ndir {self.folder}\n"
            f"sentinel monitor mine 127.0.0.1 {self.master} 1\n"
            "sentinel down-after-milliseconds mine 500\nsentinel failover-timeout mine 5000\n"
        )
        return [self.program, str(file), "--sentinel"]


@dataclass
class Replica(OwnRedis):
    master: int = 0  # port

    def command(self) -> list[str]:
        return [
            *super().command(),
            "--replicaof",
            "127.0.0.1",
            str(self.master),
            "--repl-diskless-sync-delay",
            "0",
        ]


def test_after_a_failover_the_link_finds_the_new_master(own_redis: OwnRedis) -> None:
    replica, sentinel = Replica(master=own_redis.port), Sentinel(master=own_redis.port)
    try:
        replica.start()
        sentinel.start()
        options = {"transport_options": {"master_name": "mine", "socket_timeout": 2.0}}
        desk = Desk(Broker("redis", f"sentinel://127.0.0.1:{sentinel.port}/0"), options)
        link = desk.link()
        desk.send("runs")
        [running] = desk.receive(link)
        with redis.Redis(port=own_redis.port) as client:
            eventually(lambda: client.info("replication")["connected_slaves"] == 1, within=30)
            client.wait(1, 10_000)
        with redis.Redis(port=sentinel.port) as client:
            eventually(lambda: client.execute_command("SENTINEL", "REPLICAS", "mine"), within=30)
        own_redis.stop(signal.SIGKILL)

        def works(action: Callable[[], None]) -> bool:
            """On a busy machine Sentinel may think for a moment that the new master is down, too."""
            try:
                action()
            except BrokerUnavailable as error:
                raise AssertionError(error) from error
            return True

        eventually(lambda: works(link.connect), within=60)
        link.ack([running])
        assert desk.nothing(desk.link()), "what was acknowledged after the failover stays so"
        eventually(lambda: works(lambda: desk.send("next")), within=60)
        desk.close()
    finally:
        sentinel.destroy()
        replica.destroy()
