"""Stores with leases that refuse: a right that is missing, a memory or disk that is full, a replica that only reads."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.broker.consumer import Subscription
from fleet.broker.delivery import BrokerUnavailable, Death
from fleet.broker.leased.consumer import LeasedConsumer
from fleet.broker.link import Link
from fleet.spec import BrokerSpec, QueueSpec
from tests.brokers import OwnRedis
from tests.conftest import Broker
from tests.integration.broker.links import Desk, first_arguments
from tests.support import eventually

pytestmark = pytest.mark.broker

DEATH = Death("of no use", "test", 0.0)


@pytest.fixture
def redis_client(own_redis: OwnRedis) -> Iterator[Any]:
    import redis

    with redis.Redis.from_url(own_redis.url) as client:
        yield client


def desk_at(url: str) -> Desk:
    desk = Desk(Broker("redis", url))
    desk.queue = QueueSpec("live", dead_letter="dead")
    desk.dead = QueueSpec("dead")
    return desk


def turn(desk: Desk, link: Link, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        assert link.wait(left, desk.wake_read) == []


def test_a_dead_letter_queue_that_a_redis_user_may_not_use_holds_up_its_messages_alone(
    own_redis: OwnRedis, redis_client: Any
) -> None:
    keys = ["~live*", "~_fleet.*", "~_kombu.*"]
    redis_client.execute_command("ACL", "SETUSER", "limited", "on", ">secret", "+@all", *keys)
    desk = desk_at(own_redis.url.replace("://", "://limited:secret@"))
    link = desk.link(prefetch=3)
    desk.send("dead", "fine")
    dead, fine = desk.receive(link, 2)
    link.dead_letter(dead, DEATH)
    assert link.held == 1
    assert "can't access at least one of the keys" in (link.refusal or "")
    link.ack([fine])
    desk.send("next")
    link.ack(desk.receive(link))
    turn(desk, link, 2.0)
    assert redis_client.llen("live") == redis_client.llen("dead") == 0
    redis_client.execute_command("ACL", "SETUSER", "limited", "~dead*")
    eventually(lambda: link.wait(0.1, desk.wake_read) or not link.held, within=60)
    assert redis_client.llen("dead") == 1
    desk.close()
    assert redis_client.llen("live") == 0


def test_a_redis_whose_memory_is_full_takes_what_is_handed_on_and_no_more(
    own_redis: OwnRedis, redis_client: Any
) -> None:
    """It is no more than before: else nothing could ever be freed."""
    desk = desk_at(own_redis.url)
    link = desk.link(prefetch=2)
    desk.send("dead", "retried", "waits")
    dead, retried = desk.receive(link, 2)
    redis_client.config_set("maxmemory", "1")
    with pytest.raises(BrokerUnavailable, match=r"OOM|maxmemory"):
        desk.send("refused")
    link.dead_letter(dead, DEATH)
    link.retry(retried, delay_seconds=0.0, retries=1)
    assert sorted(first_arguments(desk.receive(link, 2))) == ["retried", "waits"]
    assert redis_client.llen("dead") == 1
    redis_client.config_set("maxmemory", "0")
    desk.close()
    assert redis_client.llen("live") == 2


def test_a_hint_that_a_full_redis_has_refused_is_not_waited_for(
    own_redis: OwnRedis, redis_client: Any
) -> None:
    """It is the number of a closed connection, or somebody else's by then: workers on eventlet ended of that."""
    desk = desk_at(own_redis.url)
    link = desk.link(prefetch=2)
    redis_client.config_set("maxmemory", "1")
    link.wait(0.3, desk.wake_read)
    line = link._line
    assert isinstance(line, LeasedConsumer)
    assert line._hint is None or os.fstat(line._hint)
    redis_client.config_set("maxmemory", "0")
    desk.send("heard")
    link.ack(desk.receive(link))
    desk.close()


def test_a_redis_that_became_a_replica_loses_and_multiplies_nothing(
    own_redis: OwnRedis, redis_client: Any
) -> None:
    desk = desk_at(own_redis.url)
    link = desk.link(prefetch=2)
    desk.send("dead", "retried", "waits")
    dead, retried = desk.receive(link, 2)
    redis_client.execute_command("REPLICAOF", "127.0.0.1", "1")
    with pytest.raises(BrokerUnavailable, match=r"READONLY|read.only"):
        link.dead_letter(dead, DEATH)
    with pytest.raises(BrokerUnavailable, match=r"READONLY|read.only"):
        link.retry(retried, delay_seconds=0.0, retries=1)
    redis_client.execute_command("REPLICAOF", "NO", "ONE")
    eventually(lambda: _connects(link), within=30)
    assert sorted(first_arguments(desk.receive(link, 2))) == ["retried", "waits"]
    assert redis_client.llen("dead") == 1
    desk.close()
    assert redis_client.llen("live") == 2


def _connects(link: Link) -> bool:
    try:
        link.connect()
    except BrokerUnavailable:
        return False
    return True


def test_an_embedded_broker_without_room_loses_and_multiplies_nothing(
    short_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(Broker("sqlite", f"sqlite:///{short_folder}/broker.db"))
    link = desk.link(prefetch=2)
    desk.send("dead", "retried")
    dead, retried = desk.receive(link, 2)
    database = link._line._store._file._db  # type: ignore[attr-defined]
    pages = database.execute("PRAGMA page_count").fetchone()[0]
    database.execute(f"PRAGMA max_page_count = {pages}")
    dead.body = b'[["dead"], {}, {"filler": "' + b"x" * 200_000 + b'"}]'
    with pytest.raises(BrokerUnavailable, match="full"):
        link.dead_letter(dead, DEATH)
    database.execute("PRAGMA max_page_count = 1000000")
    eventually(lambda: _connects(link), within=30)
    link.retry(retried, delay_seconds=0.0, retries=1)
    [again] = desk.receive(link)
    assert first_arguments([again]) == ["retried"]
    other = Link(Subscription(BrokerSpec(desk.broker.url), [desk.dead], prefetch=5, identity="looks"))
    other.connect()
    assert len(desk.receive(other)) == 1
    other.close()
    desk.close()
