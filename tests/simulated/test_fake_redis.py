"""The simulated Redis does what a real one does: the same operations leave the same keys, and give the same replies."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
import redis

from fleet.broker.delivery import Posting
from fleet.broker.leased.store import Claim
from fleet.broker.redis import RedisStore, store
from fleet.protocol import Encoded
from tests.simulated.choices import Choices
from tests.simulated.clock import Clock
from tests.simulated.network import Network
from tests.simulated.redis_backend import lua
from tests.simulated.redis_server import Redis
from tests.support import unique

pytestmark = pytest.mark.broker
STEPS = 60


@contextmanager
def simulated(prefix: str, real: redis.Redis) -> Iterator[tuple[Redis, Any]]:
    """`real` stays connected to what it is connected to."""
    real.ping()
    clock, choices = Clock(), Choices(given={})
    network = Network(clock, choices)
    fake = Redis(clock, choices, lua())
    network.accept = fake.connect
    connect = lambda _connection: network.connect()  # noqa: E731
    with mock.patch.object(redis.connection.Connection, "_connect", connect):
        options = {"global_keyprefix": prefix}
        yield fake, lambda owner: RedisStore("redis://simulated/0", owner=owner, transport_options=options)


def timeless(claims: list[Claim]) -> list[Claim]:
    """The two have clocks of their own."""
    return [claim._replace(ready_since=None) for claim in claims]


class Pair:
    """A real store and a simulated one, of each of two owners, to which the same is done."""

    def __init__(self, real: list[RedisStore], fake: list[RedisStore]) -> None:
        self.stores = list(zip(real, fake, strict=True))
        self.held: list[list[Any]] = [[], []]

    def both(self, owner: int, action: Any) -> Any:
        real, fake = (action(each) for each in self.stores[owner])
        assert real == fake
        return real

    def step(self, chance: random.Random, number: int) -> None:
        owner = chance.randrange(2)
        held = self.held[owner]
        some = chance.sample(held, chance.randint(0, len(held)))
        match chance.choice(
            ["publish", "publish", "reserve", "reserve", "ack", "release", "replace", "stats", "free"]
        ):
            case "publish":
                priority = chance.choice([None, 0, 5, 9])
                delay = chance.choice([0.0, 0.0, 3600.0])
                posting = Posting(chance.choice(["a", "b"]), message(number, priority), delay)
                self.both(owner, lambda store: store.publish([posting]))
            case "reserve":
                queues, limit = chance.choice([["a"], ["a", "b"], ["b", "a"]]), chance.randint(0, 4)
                claims = self.both(owner, lambda store: timeless(store.reserve(queues, limit)))
                held += [claim.tag for claim in claims]
            case "ack":
                self.both(owner, lambda store: store.ack(some))
                self.held[owner] = [tag for tag in held if tag not in some]
            case "release":
                counted, last = chance.random() < 0.5, chance.random() < 0.5
                self.both(owner, lambda store: store.release(some, counted=counted, last=last))
                self.held[owner] = [tag for tag in held if tag not in some]
            case "replace" if held:
                posting = Posting("b", message(number, None), chance.choice([0.0, 3600.0]))
                self.both(owner, lambda store: store.replace(held[0], posting))
                del held[0]
            case "stats":
                self.both(owner, lambda store: store.stats("a")[:3])
                self.both(owner, lambda store: [claim.message for claim in store.browse("a", 3, 1)])
                self.both(owner, lambda store: store.queues())
            case "free":
                other = ("one", "two")[1 - owner]
                self.both(owner, lambda store: store.release_owner(other))
                self.held[1 - owner] = []


def message(number: int, priority: int | None) -> Encoded:
    properties = {} if priority is None else {"priority": priority}
    return Encoded(b"{}", {"id": f"m{number}", "empty": [], "long": 2**60}, properties)


def shape(keys: dict[bytes, Any]) -> dict[bytes, Any]:
    """What is there, without times."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return sorted(repr(_timeless(item)) for item in value.items() if item[1] is not True) or sorted(
                value
            )
        return [_timeless(each) for each in value] if isinstance(value, list) else value

    return {key: plain(value) for key, value in keys.items() if b"owners" not in key and b"due" not in key}


def _timeless(value: Any) -> Any:
    import re

    if isinstance(value, tuple):
        return tuple(_timeless(each) for each in value)
    return re.sub(rb'("fleet":\[\d+),\d+', rb"\1", value) if isinstance(value, bytes) else value


def real_keys(client: redis.Redis, prefix: str) -> dict[bytes, Any]:
    found: dict[bytes, Any] = {}
    for key in client.scan_iter(match=f"{prefix}*", count=1000):
        match client.type(key):
            case b"list":
                found[key] = client.lrange(key, 0, -1)
            case b"hash":
                found[key] = client.hgetall(key)
            case b"set":
                found[key] = dict.fromkeys(client.smembers(key), True)
            case b"zset":
                found[key] = dict(client.zrange(key, 0, -1, withscores=True))
            case _:
                found[key] = client.get(key)
    return found


@pytest.mark.parametrize("seed", range(8))
def test_the_same_operations_leave_the_same(
    redis_url: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix, chance = f"{{{unique('simulated')}}}", random.Random(seed)
    # Senders name their envelopes: alike here, so that these can be compared.
    monkeypatch.setattr(store, "uuid4", lambda: mock.Mock(hex="sender"))
    monkeypatch.setattr(store, "randbits", lambda _bits: 1000)  # and owners number their claims
    options = {"global_keyprefix": prefix}
    real = [RedisStore(redis_url, owner=owner, transport_options=options) for owner in ("one", "two")]
    try:
        with redis.Redis.from_url(redis_url) as client, simulated(prefix, client) as (fake, connect):
            pair = Pair(real, [connect("one"), connect("two")])
            for number in range(STEPS):
                pair.step(chance, number)
                assert shape(real_keys(client, prefix)) == shape(fake.keys), f"after step {number}"
    finally:
        for each in real:
            each.close()
        with redis.Redis.from_url(redis_url) as client:
            for key in client.scan_iter(match=f"{prefix}*", count=1000):
                client.delete(key)
