"""The ways to name a Redis: sockets, TLS, parameters, several URLs; and the one that is refused, a cluster."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis

from fleet.broker.consumer import Subscription
from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.leases import release_owner
from fleet.broker.link import Link
from fleet.broker.open import open_dead_letters, open_store, preflight, queue_stats
from fleet.broker.producer import Producer
from fleet.spec import BrokerSpec, QueueSpec, RoutingSpec
from tests.brokers import OwnRedis, answers, free_port, unavailable
from tests.integration.broker.stores import bodies, postings
from tests.integration.broker.test_redis import Replica, Sentinel, TlsRedis
from tests.support import eventually

QUEUE = QueueSpec("q", dead_letter="q.dead")
NOBODY = "redis://127.0.0.1:1/3"


def reaches(url: str, **options: Any) -> bool:
    """A message in and out."""
    store = open_store(BrokerSpec(url, transport_options=options), owner="w")
    try:
        store.publish(postings("q", "a"))
        claims = store.reserve(["q"], 1)
        store.listen(["q"])  # its other connections take the same address
        store.unlisten()
        store.renew()
        return bodies(claims) == ["a"] and store.ack([claims[0].tag]) == 1
    finally:
        store.close()


# --- sockets ------------------------------------------------------------------------------------------------


@dataclass
class SocketRedis(OwnRedis):
    @property
    def socket(self) -> Path:
        return self.folder / "redis.sock"

    def command(self) -> list[str]:
        return [*super().command(), "--unixsocket", str(self.socket), "--requirepass", "p/w@x"]


@pytest.fixture
def by_socket() -> Iterator[SocketRedis]:
    if not shutil.which("redis-server"):
        unavailable("a Redis of the test's own")
    server = SocketRedis()
    server.start()
    yield server
    server.destroy()


@pytest.mark.parametrize(
    ("url", "database"),
    [
        ("redis+socket://:p%2Fw%40x@SOCKET", 0),
        ("redis+socket://:p%2Fw%40x@SOCKET?virtual_host=3", 3),
        ("valkey+socket://:p%2Fw%40x@SOCKET?db=3", 3),
        ("unix://:p%2Fw%40x@SOCKET?db=4", 4),
        ("unix://SOCKET?db=5&password=p%2Fw%40x", 5),
        ("unix://SOCKET?password=p%2Fw%40x&client_name=shop&socket_timeout=5", 0),
    ],
)
def test_redis_is_reached_by_a_unix_socket(by_socket: SocketRedis, url: str, database: int) -> None:
    url = url.replace("SOCKET", str(by_socket.socket))
    store = open_store(BrokerSpec(url))
    store.publish(postings("q", "a"))
    with redis.Redis(unix_socket_path=str(by_socket.socket), password="p/w@x", db=database) as client:
        assert client.llen("q") == 1
        client.delete("q")
    store.close()
    assert reaches(url)


# --- parameters ---------------------------------------------------------------------------------------------


def test_parameters_of_the_url_are_honoured(own_redis: OwnRedis) -> None:
    with redis.Redis(port=own_redis.port) as client:
        client.execute_command("ACL", "SETUSER", "shop", "on", ">p/w", "~*", "&*", "+@all")
        host = f"127.0.0.1:{own_redis.port}"
        url = f"redis://{host}?username=shop&password=p%2Fw&db=2&client_name=orders&health_check_interval=0"
        store = open_store(BrokerSpec(url))
        (seen,) = [each for each in client.client_list() if each["name"] == "orders"]
        assert (seen["user"], seen["db"]) == ("shop", "2")
        store.close()
        assert reaches(f"redis://shop:p%2Fw@{host}/1?socket_keepalive=true&socket_connect_timeout=3")
        assert reaches(
            f"valkey://shop:p%2Fw@{host}/1", socket_keepalive_options={"TCP_KEEPIDLE": 60, "5": 10}
        )


@pytest.mark.parametrize(
    ("parameters", "options", "said"),
    [
        ("connection_timeout=3000", {}, "`connection_timeout`"),
        ("socket_timeout=soon", {}, "`socket_timeout` of the URL takes a number"),
        ("ssl_cacerts=x", {}, "ssl_ca_certs"),
        ("", {"ssl": {"ca_certs": "x"}}, "ssl_ca_certs"),
        ("", {"ssl": "yes"}, "`ssl` takes"),
        ("", {"socket_timeout": "5s"}, "`socket_timeout` takes a number"),
        ("", {"priority_steps": "0,3"}, "`priority_steps` takes"),
        ("", {"socket_keepalive_options": {"TCP_NONSENSE": 1}}, "TCP_NONSENSE"),
        ("", {"ssl": {"ssl_ca_certs": "/nowhere/ca.pem"}}, "No such file"),
        ("", {"ssl": {"ssl_min_version": "TLSv1.3"}}, ""),
        ("", {"ssl": {"ssl_ciphers": "nonsense"}}, ""),
    ],
)
def test_what_the_client_does_not_take_is_one_clear_error(
    own_redis: OwnRedis, parameters: str, options: dict[str, Any], said: str
) -> None:
    broker = BrokerSpec(f"{own_redis.url}?{parameters}".rstrip("?"), transport_options=options)
    for place in places(broker):
        with pytest.raises(BrokerUnavailable) as caught:
            place()
        assert said in str(caught.value)


def places(broker: BrokerSpec) -> list[Callable[[], object]]:
    """All that reads a broker's URL: a worker, a sender, status, dead letters, the controller, --connect."""
    return [
        lambda: Link(Subscription(broker, [QUEUE], prefetch=1, identity="w")).connect(),
        lambda: Producer(broker).publish(postings("q", "a"), QUEUE),
        lambda: queue_stats(RoutingSpec(broker, (QUEUE,), ())),
        lambda: open_dead_letters(broker),
        lambda: release_owner(broker, "nobody"),
        lambda: preflight(broker, [QUEUE], connections=1, seconds=30),
    ]


# --- several URLs -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("separator", [";", "; "])
def test_every_place_takes_the_second_url_when_the_first_is_down(own_redis: OwnRedis, separator: str) -> None:
    for place in places(BrokerSpec(f"{NOBODY}{separator}{own_redis.url}")):
        place()


def test_what_is_tried_in_vain_is_all_said() -> None:
    urls = f"redis://:secret@127.0.0.1:1/0;redis://:hidden@127.0.0.1:{free_port()}/0"
    for place in places(BrokerSpec(urls)):
        with pytest.raises(BrokerUnavailable, match=r"redis://:\*\*\*@127.0.0.1:1/0.*refused") as caught:
            place()
        assert "secret" not in str(caught.value)
        assert "hidden" not in str(caught.value)


def test_a_replica_is_passed_over_and_a_promotion_followed(own_redis: OwnRedis) -> None:
    replica = Replica(master=own_redis.port)
    read, write = os.pipe()
    try:
        replica.start()
        with redis.Redis(port=own_redis.port) as client:
            eventually(lambda: client.info("replication")["connected_slaves"] == 1, within=30)
        broker = BrokerSpec(f"{replica.url};{own_redis.url}")
        link, producer = Link(Subscription(broker, [QUEUE], prefetch=1, identity="w")), Producer(broker)
        link.connect()
        producer.publish(postings("q", "a"), QUEUE)
        (running,) = eventually(lambda: link.wait(1, read), within=30)
        with redis.Redis(port=own_redis.port) as client:
            assert client.execute_command("WAIT", 1, 10_000) == 1
        own_redis.stop(signal.SIGKILL)
        with redis.Redis(port=replica.port) as client:
            client.execute_command("REPLICAOF", "NO", "ONE")

        def settled() -> bool:
            try:
                link.connect()
                link.ack([running])
            except BrokerUnavailable as error:
                raise AssertionError(str(error)) from error
            return True

        eventually(settled, within=60)
        producer.publish(postings("q", "b"), QUEUE)
        (after,) = eventually(lambda: link.wait(1, read), within=30)
        assert after.body == b"b"
        assert queue_stats(RoutingSpec(broker, (QUEUE,), ()))[0].unacked == 1
        link.close()
        producer.close()
    finally:
        os.close(read)
        os.close(write)
        replica.destroy()


# --- TLS ----------------------------------------------------------------------------------------------------


@dataclass
class StrictTlsRedis(TlsRedis):
    """Lets in only clients with a certificate."""

    def command(self) -> list[str]:
        command = super().command()
        command[command.index("--tls-auth-clients") + 1] = "yes"
        return command


@pytest.fixture
def strict_tls() -> Iterator[StrictTlsRedis]:
    if not shutil.which("redis-server") or not shutil.which("openssl"):
        unavailable("a Redis of the test's own with TLS")
    server = StrictTlsRedis()
    server.certify()
    server.start()
    yield server
    server.destroy()


def test_tls_options_by_url_and_by_table(strict_tls: StrictTlsRedis) -> None:
    ca, key = str(strict_tls.ca), str(strict_tls.folder / "key.pem")
    client = f"ssl_certfile={ca}&ssl_keyfile={key}"
    table = {"ssl_ca_certs": ca, "ssl_certfile": ca, "ssl_keyfile": key}
    assert reaches(f"{strict_tls.url}?ssl_ca_certs={ca}&{client}")
    assert reaches(strict_tls.url, ssl=table)
    assert reaches(strict_tls.url.replace("rediss", "valkeys"), ssl=table)
    assert reaches(strict_tls.url.replace("rediss", "REDISS"), ssl=table)
    by_number = strict_tls.url.replace("localhost", "127.0.0.1")  # a name that the certificate has not
    assert reaches(f"{by_number}?ssl_ca_certs={ca}&ssl_check_hostname=false&{client}")
    assert reaches(f"{by_number}?ssl_cert_reqs=none&{client}")
    assert reaches(f"{by_number}?ssl_cert_reqs=CERT_NONE&{client}")
    for wrong in (f"{strict_tls.url}?{client}", f"{by_number}?ssl_ca_certs={ca}&{client}"):
        with pytest.raises(BrokerUnavailable, match="CERTIFICATE_VERIFY_FAILED"):
            reaches(wrong)
    with pytest.raises(BrokerUnavailable):
        reaches(f"{strict_tls.url}?ssl_ca_certs={ca}")  # no certificate of our own


# --- Sentinel -----------------------------------------------------------------------------------------------


@dataclass
class SecretSentinel(Sentinel):
    def command(self) -> list[str]:
        command = super().command()
        with (self.folder / "sentinel.conf").open("a") as file:
            file.write("requirepass sesame\nsentinel auth-pass mine master-pw\n")
        return command


@dataclass
class SecretRedis(OwnRedis):
    def command(self) -> list[str]:
        return [*super().command(), "--requirepass", "master-pw"]


def test_sentinels_with_a_password_of_their_own() -> None:
    if not shutil.which("redis-server"):
        unavailable("Redis")
    master = SecretRedis()
    sentinel = SecretSentinel(master=master.port)
    try:
        master.start()
        sentinel.start()
        url = f"sentinel://:master-pw@127.0.0.1:1/2;sentinel://127.0.0.1:{sentinel.port}/2"
        options = {"master_name": "mine", "sentinel_kwargs": {"password": "sesame"}}
        assert eventually(lambda: _reaches_at_last(url, options), within=60)
        with pytest.raises(BrokerUnavailable, match="master_name"):
            reaches(url)
        for wrong in (
            {"master_name": "other"},
            {"sentinel_kwargs": {"pasword": "x"}},
            {"sentinel_kwargs": 1},
        ):
            with pytest.raises(BrokerUnavailable):
                reaches(url, **{**options, **wrong})
    finally:
        sentinel.destroy()
        master.destroy()


def _reaches_at_last(url: str, options: dict[str, Any]) -> bool:
    try:
        return reaches(url, **options)
    except BrokerUnavailable as error:
        raise AssertionError(str(error)) from error


# --- a cluster ----------------------------------------------------------------------------------------------


@dataclass
class ClusterRedis(OwnRedis):
    def __post_init__(self) -> None:
        """The members talk on a port that is 10,000 higher."""
        while self.port > 55535 or answers(self.port + 10000):
            self.port = free_port()

    def command(self) -> list[str]:
        return [*super().command(), "--cluster-enabled", "yes"]


@pytest.fixture
def cluster() -> Iterator[ClusterRedis]:
    if not shutil.which("redis-server"):
        unavailable("a Redis of the test's own")
    server = ClusterRedis()
    server.start()
    yield server
    server.destroy()


# Without INFO one server that has all slots is not told from a single one, and does all that one does.
@pytest.mark.parametrize(
    ("slots", "may_ask"),
    [((), True), ((0, 8000), True), ((0, 16383), True), ((), False), ((0, 8000), False)],
)
def test_a_cluster_is_refused_in_words(cluster: ClusterRedis, slots: tuple[int, ...], may_ask: bool) -> None:
    with redis.Redis(port=cluster.port) as client:
        if slots:
            client.execute_command("CLUSTER", "ADDSLOTSRANGE", *slots)
        rules = ["~*", "&*", "+@all"] if may_ask else ["~*", "&*", "+@all", "-info"]
        client.execute_command("ACL", "SETUSER", "shop", "on", ">pw", *rules)
    broker = BrokerSpec(f"redis://shop:pw@127.0.0.1:{cluster.port}/0")
    for place in places(broker):
        if may_ask:
            with pytest.raises(BrokerUnavailable, match="Redis Cluster is not supported"):
                place()
    if not may_ask:
        with pytest.raises(BrokerUnavailable, match="Redis Cluster is not supported"):
            for place in places(broker):
                place()
