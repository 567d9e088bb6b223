"""A reservation that reaches Redis after its connection was given up: nobody would know what it claims."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import redis

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.redis import scripts
from fleet.broker.redis.store import RedisStore
from tests.brokers import OwnRedis
from tests.integration.broker.stores import bodies, postings
from tests.support import eventually

FENCES = "_fleet.fences"


@pytest.fixture
def client(own_redis: OwnRedis) -> Iterator[Any]:
    with redis.Redis(port=own_redis.port) as client:
        yield client


def swallow_a_reservation(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The store asks, and the network keeps it: what was asked for."""
    swallowed: list[Any] = []

    def lost(body: str, *arguments: Any, **_: Any) -> Any:
        swallowed.extend(arguments)
        raise BrokerUnavailable("timeout")

    with monkeypatch.context() as patch:
        patch.setattr(store, "_run", lost)
        with pytest.raises(BrokerUnavailable):
            store.reserve(["q"], 2)
    return swallowed


def test_a_reservation_that_arrives_late_claims_nothing(
    own_redis: OwnRedis, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = RedisStore(own_redis.url, owner="w")
    store.publish(postings("q", "first", "second", "third"))
    assert bodies(store.reserve(["q"], 1)) == ["first"]
    late = swallow_a_reservation(store, monkeypatch)
    assert store.reconnect()
    client.eval(store._source(scripts.RESERVE)[1], 0, *late)
    assert store.size("q") == 2
    assert bodies(store.reserve(["q"], 10)) == ["second", "third"]
    store.close()


def test_a_reservation_that_arrives_late_claims_nothing_for_the_dead(
    own_redis: OwnRedis, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    dies, other = (
        RedisStore(own_redis.url, owner="dies", lease_seconds=0.5),
        RedisStore(own_redis.url, owner="o"),
    )
    other.publish(postings("q", "first", "second"))
    assert bodies(dies.reserve(["q"], 1)) == ["first"]
    late = swallow_a_reservation(dies, monkeypatch)
    assert other.release_owner("dies") == 1
    client.eval(dies._source(scripts.RESERVE)[1], 0, *late)
    assert bodies(other.reserve(["q"], 10)) == ["first", "second"]
    eventually(lambda: other.reserve(["q"], 1) == [] and client.hkeys(FENCES) == [])
    other.release_owner("nobody")
    assert client.hkeys(FENCES) == []
    other.close()


def test_one_that_only_comes_late_is_answered(own_redis: OwnRedis) -> None:
    """Connections that never broke have nothing to fear of it."""
    one, other = (RedisStore(own_redis.url, owner=name) for name in ("one", "other"))
    one.publish(postings("q", "first", "second", "third"))
    assert one.reserve(["q"], 0) == []
    assert one.reconnect()
    assert bodies(one.reserve(["q"], 1)) == ["first"]
    assert bodies(other.reserve(["q"], 1)) == ["second"]
    assert bodies(one.reserve(["q"], 1)) == ["third"]
    for store in (one, other):
        store.close()


def test_nothing_is_kept_of_owners_that_are_gone(own_redis: OwnRedis, client: Any) -> None:
    leaves = RedisStore(own_redis.url, owner="leaves")
    dies = RedisStore(own_redis.url, owner="dies", lease_seconds=0.5)
    for store in (leaves, dies):
        store.reserve(["q"], 1)
        store.reconnect()
    assert sorted(client.hkeys(FENCES)) == [b"dies", b"leaves"]
    leaves.close()
    assert client.hkeys(FENCES) == [b"dies"]
    other = RedisStore(own_redis.url, owner="other")
    eventually(lambda: other.reserve(["q"], 1) == [] and client.hkeys(FENCES) == [])
    other.close()
