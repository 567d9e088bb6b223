"""A Redis that comes back without its last seconds: restored from a snapshot, or a replica that lagged."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
import redis

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.redis import scripts
from fleet.broker.redis.keys import Keys
from fleet.broker.redis.store import RedisStore
from tests.brokers import OwnRedis, unavailable
from tests.integration.broker.stores import bodies, postings, tags
from tests.support import eventually


@dataclass
class SnapshotRedis(OwnRedis):
    """Writes to disk only when told: what came after is forgotten when it is killed. Redis' own default is near."""

    def command(self) -> list[str]:
        command = super().command()
        return [*command[: command.index("--appendonly")], "--save", "3600 1000000", "--appendonly", "no"]

    @property
    def client(self) -> Any:
        return redis.Redis(port=self.port)


@pytest.fixture
def forgetful() -> Iterator[SnapshotRedis]:
    if not shutil.which("redis-server"):
        unavailable("Redis")
    server = SnapshotRedis()
    try:
        server.start()
        yield server
    finally:
        server.destroy()


def claimed(store: RedisStore, body: str) -> Any:
    """The tag of the one message that is ready."""
    claims = store.reserve(["q"], 1)
    assert bodies(claims) == [body]
    return claims[0].tag


def reconnected(store: RedisStore) -> bool:
    def tried() -> tuple[bool]:
        try:
            return (store.reconnect(),)
        except BrokerUnavailable as error:
            raise AssertionError(str(error)) from error

    return eventually(tried, within=30)[0]


def test_the_end_of_a_forgotten_message_does_not_ack_a_new_one(forgetful: SnapshotRedis) -> None:
    store = RedisStore(forgetful.url, owner="w", lease_seconds=60)
    store.publish(postings("q", "a"))
    store.ack([claimed(store, "a")])
    forgetful.client.save()
    store.publish(postings("q", "t"))
    running = claimed(store, "t")
    forgetful.stop(signal.SIGKILL)
    forgetful.start()

    assert reconnected(store), "the snapshot knows the owner: its claims stand"
    store.publish(postings("q", "u"))
    later = claimed(store, "u")
    assert later != running
    assert store.ack([running]) == 0, "t is what the server has forgotten"
    assert store.stats("q").claimed == 1
    assert store.release([later]) == 1
    assert bodies(store.reserve(["q"], 1)) == ["u"]
    store.close()


@pytest.mark.parametrize("ends", ["ack", "release", "replace"])
def test_no_settling_of_a_forgotten_claim_touches_another(forgetful: SnapshotRedis, ends: str) -> None:
    store = RedisStore(forgetful.url, owner="w", lease_seconds=60)
    store.publish(postings("q", "a"))
    store.ack([claimed(store, "a")])
    forgetful.client.save()
    store.publish(postings("q", "1", "2", "3"))
    running = tags(store.reserve(["q"], 3))
    forgetful.stop(signal.SIGKILL)
    forgetful.start()
    assert reconnected(store)
    store.publish(postings("q", "4", "5", "6"))
    assert len(store.reserve(["q"], 3)) == 3
    for tag in running:
        settled = (
            store.replace(tag, postings("q", "x")[0]) if ends == "replace" else getattr(store, ends)([tag])
        )
        assert not settled
    assert store.stats("q").claimed == 3
    assert store.stats("q").ready == 0
    store.close()


def test_a_replica_that_lagged_gives_no_number_twice(forgetful: SnapshotRedis) -> None:
    """The same through a failover: what the master had handed out last, the replica has never heard of."""
    replica = SnapshotRedis()
    try:
        replica.start()
        replica.client.replicaof("127.0.0.1", forgetful.port)
        store = RedisStore(f"{forgetful.url};{replica.url}", owner="w", lease_seconds=60)
        store.publish(postings("q", "a"))
        store.ack([claimed(store, "a")])
        eventually(lambda: replica.client.info()["master_link_status"] == "up", within=30)
        assert forgetful.client.execute_command("WAIT", 1, 10000) == 1
        replica.client.replicaof("NO", "ONE")  # from now on it lags
        store.publish(postings("q", "t"))
        running = claimed(store, "t")
        forgetful.stop(signal.SIGKILL)

        assert reconnected(store)
        store.publish(postings("q", "u"))
        claimed(store, "u")
        assert store.ack([running]) == 0
        assert store.stats("q").claimed == 1
        store.close()
    finally:
        replica.destroy()


# --- an upgrade with both versions on the same keys ---------------------------------------------------------

# As it was before the numbers were the owners' own: it read them, and must be able to read ours.
EARLIER_UNCLAIM = r"""
local key = claims(ARGV[1], ARGV[2])
local held = {}
for i, field in ipairs(redis.call('HKEYS', key)) do
  local fence, step = string.match(field, '^(%d+):(%d+)$')
  held[i] = {tonumber(fence), step, field}
end
table.sort(held, function(a, b) return a[1] > b[1] end)
for _, claim in ipairs(held) do
  redis.call('RPUSH', ready(ARGV[2], claim[2]), mark(redis.call('HGET', key, claim[3]), 1, 0))
end
redis.call('DEL', key)
return #held
"""

EARLIER_RESERVE = r"""
local raw = redis.call('RPOP', ready(ARGV[2], '0'))
redis.call('HSET', claims(ARGV[1], ARGV[2]), string.format('%.0f:0', redis.call('INCRBY', own('fence'), 1)), raw)
redis.call('ZADD', OWNERS, now() + 60000, ARGV[1])
"""


def run(server: OwnRedis, script: str, *arguments: str) -> Any:
    with redis.Redis(port=server.port) as client:
        return client.eval(scripts.complete(Keys().lua(), script), 0, *arguments)


def test_an_earlier_fleet_gives_back_what_this_one_claimed(own_redis: OwnRedis) -> None:
    store = RedisStore(own_redis.url, owner="new", lease_seconds=60)
    store.publish(postings("q", *"abc"))
    assert len(store.reserve(["q"], 2)) == 2
    assert len(store.reserve(["q"], 2)) == 1
    assert run(own_redis, EARLIER_UNCLAIM, "new", "q") == 3
    again = store.reserve(["q"], 3)
    assert bodies(again) == list("abc"), "in their old order"
    assert [claim.attempt for claim in again] == [2, 2, 2]
    store.close()


def test_this_fleet_gives_back_what_an_earlier_one_claimed(own_redis: OwnRedis) -> None:
    store = RedisStore(own_redis.url, owner="new", lease_seconds=60)
    store.publish(postings("q", *"abc"))
    for _ in "abc":
        run(own_redis, EARLIER_RESERVE, "old", "q")
    assert store.stats("q").claimed == 3
    assert store.release_owner("old") == 3
    again = store.reserve(["q"], 3)
    assert bodies(again) == list("abc")
    assert store.ack(tags(again)) == 3
    store.close()
