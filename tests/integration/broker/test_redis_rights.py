"""Redis users with few rights (ACL): fleet works without what it can do without, and names what it needs."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import pytest
import redis

from fleet.broker.consumer import Subscription
from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.link import Link
from fleet.broker.open import preflight, queue_stats
from fleet.broker.preflight import Preflight
from fleet.broker.producer import Producer
from fleet.broker.redis import scripts
from fleet.broker.redis.preflight_rights import _TRIED
from fleet.broker.redis.refusals import FOR_WAKING
from fleet.spec import BrokerSpec, QueueSpec, RoutingSpec
from tests.brokers import OwnRedis
from tests.integration.broker.stores import postings
from tests.support import ROOT, eventually

QUEUE = QueueSpec("q", dead_letter="q.dead")
PAGE = ROOT / "docs" / "how-to" / "redis.md"


def documented() -> list[str]:
    """The rules of docs/how-to/redis.md, as they stand in its code block."""
    found = re.search(r"^ACL SETUSER shop on >PASSWORD (?P<rules>.*?)\n```", PAGE.read_text(), re.S | re.M)
    assert found
    return found["rules"].replace("\\\n", " ").split()


NEEDED = sorted({each.split()[0] for each in _TRIED.split(";")} | {"EVAL", "EVALSHA"})


class Server:
    def __init__(self, own: OwnRedis) -> None:
        self.own = own
        self.client: Any = redis.Redis(port=own.port)
        self.broker = BrokerSpec(f"redis://shop:pw@127.0.0.1:{own.port}/0")

    def allow(self, *rules: str) -> None:
        self.client.execute_command("ACL", "SETUSER", "shop", "reset", "on", ">pw", *rules)

    def preflight(self) -> Preflight:
        return preflight(self.broker, [QUEUE], connections=3, seconds=30)

    def does_all(self) -> None:
        """Send, receive, ack, retry, give back, dead letters, statistics, an owner's renewal and release."""
        producer = Producer(self.broker)
        link = Link(Subscription(self.broker, [QUEUE], prefetch=4, identity="w"))
        read, write = os.pipe()
        try:
            link.connect()
            assert link.wait(0.2, read) == [], "idle once: its readers are open, if it has any"
            for body in "abcd":
                producer.publish(postings("q", body), QUEUE)
            held: list[Any] = []
            eventually(lambda: held.extend(link.wait(0.5, read)) or len(held) >= 4, within=30)
            link.renew()
            link.ack(held[:1])
            link.requeue(held[1:2])
            link.retry(held[2], delay_seconds=3600, retries=1)
            link._settle(lambda: link._line.replace(held[3], postings("q.dead", "d")[0]))
            (again,) = eventually(lambda: link.wait(0.5, read), within=30)
            link.ack([again])
            seen = queue_stats(RoutingSpec(self.broker, (QUEUE,), ()))[0]
            assert (seen.ready, seen.unacked, seen.dead) == (0, 0, 1)
        finally:
            link.close()
            producer.close()
            os.close(read)
            os.close(write)
            self.client.flushdb()


@pytest.fixture
def server(own_redis: OwnRedis) -> Iterator[Server]:
    yield Server(own_redis)


def test_the_documented_rights_are_enough(server: Server) -> None:
    server.allow(*documented())
    server.does_all()
    assert server.preflight().objections == ()


def test_what_is_not_dangerous_is_enough(server: Server) -> None:
    """Redis' own advice for applications; INFO and CLIENT UNBLOCK are dangerous by its book."""
    server.allow("~*", "&*", "+@all", "-@dangerous")
    server.does_all()
    (objection,) = server.preflight().objections
    assert "CLIENT|UNBLOCK" in objection.text
    assert not objection.refused


@pytest.mark.parametrize(
    "without", ["info", "client|unblock", "client|id", "blmove", "client", "config", "acl"]
)
def test_a_redis_user_without_optional_rights_can_do_all_the_same(server: Server, without: str) -> None:
    server.allow("~*", "&*", "+@all", f"-{without}")
    server.does_all()
    said = [objection.text for objection in server.preflight().objections if objection.refused]
    assert not said


def test_rights_for_waking_that_are_taken_away_are_done_without(server: Server) -> None:
    server.allow("~*", "&*", "+@all")
    link = Link(Subscription(server.broker, [QUEUE], prefetch=4, identity="w"))
    producer = Producer(server.broker)
    read, write = os.pipe()
    link.connect()
    assert link.wait(0.2, read) == []
    server.allow("~*", "&*", "+@all", "-client|unblock", "-blmove")
    producer.publish(postings("q", "a"), QUEUE)

    def got() -> list[Any]:
        try:
            return link.wait(0.5, read)
        except BrokerUnavailable:
            link.connect()
            return []

    assert eventually(got, within=30)
    link.close()
    producer.close()
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("command", NEEDED)
def test_a_command_that_is_needed_is_named(server: Server, command: str) -> None:
    server.allow("~*", "&*", "+@all", f"-{command.lower()}")
    (objection,) = [each for each in server.preflight().objections if each.refused]
    assert re.search(rf"\b{command}\b", objection.text)
    assert f"+{command.lower()}" in str(objection.help)
    assert server.client.keys("*") == []


def test_a_worker_names_the_command_that_a_script_may_not_run(server: Server) -> None:
    server.allow("~*", "&*", "+@all", "-zadd")
    link = Link(Subscription(server.broker, [QUEUE], prefetch=4, identity="w"))
    read, write = os.pipe()
    with pytest.raises(BrokerUnavailable, match="may not run ZADD"):
        link.connect()
        link.wait(0.2, read)
    link.close()
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("pattern", ["~q*", "~_fleet.*"])
def test_a_key_that_is_needed_is_named(server: Server, pattern: str) -> None:
    server.allow(pattern, "+@all")
    found = [each.text for each in server.preflight().objections if each.refused]
    assert any("_fleet." in text if pattern == "~q*" else '"q"' in text for text in found)
    server.client.flushdb()


def test_the_list_of_commands_is_that_of_the_scripts() -> None:
    bodies = [text for name, text in vars(scripts).items() if name.isupper() or name == "_COMMON"]
    called = set(re.findall(r"redis\.p?call\('(\w+)'", "".join(bodies)))
    # RELEASE is told by its caller which of these to run.
    assert called | {"LPUSH", "RPUSH"} <= set(NEEDED)
    allowed = {rule.removeprefix("+").upper() for rule in documented() if rule.startswith("+")}
    assert allowed >= {*NEEDED, *FOR_WAKING}


def test_the_kombu_transport_needs_no_other_rights(own_redis: OwnRedis) -> None:
    import kombu

    import fleet.kombu  # noqa: F401

    Server(own_redis).allow(*documented())
    url = f"fleet-redis://shop:pw@127.0.0.1:{own_redis.port}/0"
    exchange = kombu.Exchange("shop.all", type="fanout")
    reply = kombu.Queue("shop.reply", exchange, auto_delete=True, expires=0.3, message_ttl=60)
    unused = kombu.Queue("shop.unused", exchange, expires=0.3)
    got: list[object] = []
    with kombu.Connection(url, transport_options={"lease_seconds": 0.6}) as connection:
        unused(connection.default_channel).declare()
        with connection.Consumer(
            [reply], callbacks=[lambda body, message: got.append(body) or message.ack()]
        ):
            with (producer := connection.Producer()).batch():
                producer.publish("x", exchange=exchange, declare=[exchange])
            eventually(lambda: connection.drain_events(timeout=10) or got == ["x"])
            eventually(lambda: "shop.unused" not in connection.transport.store.queues(), within=20)
        assert "shop.reply" not in connection.transport.store.queues()
        connection.transport.keep()
