"""How often a message has been handed out is the broker's word and fleet's, whatever its sender claims about it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis

from fleet.broker.redis.store import RedisStore
from fleet.worker.headers import attempts_of
from tests.brokers import OwnRedis
from tests.conftest import Broker
from tests.integration.broker.links import Desk

pytestmark = pytest.mark.broker


@pytest.fixture
def desk(broker: Broker) -> Iterator[Desk]:
    desk = Desk(broker)
    yield desk
    desk.close()


@pytest.mark.parametrize("claimed", [0, 1, -5])
def test_a_count_that_the_sender_has_written_does_not_stop_the_counting(desk: Desk, claimed: int) -> None:
    """Else a message that kills its workers would do so for ever."""
    desk.send("killer", **{"x-delivery-count": claimed})
    for attempt in (1, 2, 3):
        link = desk.link()
        [delivery] = desk.receive(link)
        assert attempts_of(delivery) == attempt
        if desk.broker.name == "amqp":
            link._line._opened.amqp.transport.sock.shutdown(2)  # type: ignore[attr-defined]  # as if killed
            link._line._opened = None  # type: ignore[attr-defined]
        else:
            link.requeue([delivery], counted=True)
            link.close()


@pytest.mark.parametrize(
    "begin", ["{", " { ", '{"fleet" :[0,0],', '{"x":1,"fleet":[0,0],', '{"fleet":[0,0],']
)
def test_on_redis_every_kind_of_envelope_is_counted(own_redis: OwnRedis, begin: str) -> None:
    fields = {"body": "", "headers": {"task": "t", "id": "1"}, "properties": {"body_encoding": "base64"}}
    raw = begin + json.dumps(fields)[1:-1] + ',"fleet":[0,0]}'
    with redis.Redis(port=own_redis.port) as client:
        client.lpush("q", raw)
    for attempt in (1, 2, 3):
        store = RedisStore(own_redis.url, owner=f"w{attempt}")
        [claim] = store.reserve(["q"], 1)
        assert claim.attempt == attempt
        assert claim.message.headers["task"] == "t"
        store.release([claim.tag], counted=True)
        store.close()
