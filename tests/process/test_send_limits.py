"""A message that the broker would not take: `send` says what is allowed, and the connection goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.broker.delivery import MessageTooLarge, Posting
from fleet.broker.producer import Producer
from fleet.protocol import Call, encode
from fleet.spec import BrokerSpec, QueueSpec, RoutingSpec
from fleet.tasks.routing import from_spec
from fleet.tasks.send_options import SendOptions
from fleet.tasks.sending import send_many
from tests.brokers import OwnRabbit, OwnRedis, rabbitmq_server, unavailable
from tests.support import ROOT

QUEUE = QueueSpec("limits")
SMALL, LARGE = "x" * 10, "x" * 3_000_000


def posting(text: str) -> Posting:
    return Posting(QUEUE.name, encode(Call("1", "t", (text,))))


def assert_refused_and_goes_on(url: str, words: str) -> None:
    producer = Producer(BrokerSpec(url))
    for _ in range(2):
        producer.publish([posting(SMALL)], QUEUE)
        with pytest.raises(MessageTooLarge, match=words):
            producer.publish([posting(LARGE)], QUEUE)
    producer.publish([posting(SMALL)], QUEUE)
    producer.close()


def test_what_redis_would_not_take_is_told(own_redis: OwnRedis) -> None:
    import redis

    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("proto-max-bulk-len", 2_000_000)
    assert_refused_and_goes_on(own_redis.url, r"the server allows 2000000 \(proto-max-bulk-len\)")


@pytest.fixture
def small_rabbit() -> Iterator[OwnRabbit]:
    if not rabbitmq_server():
        unavailable("a RabbitMQ of the test's own")
    server = OwnRabbit(settings={"max_message_size": 2_000_000})
    server.start()
    yield server
    server.destroy()


@pytest.mark.process
def test_what_rabbitmq_would_not_take_is_told(small_rabbit: OwnRabbit) -> None:
    assert_refused_and_goes_on(small_rabbit.url, r"the broker allows 2000000 \(RabbitMQ's max_message_size\)")


def test_what_fleet_toml_does_not_allow_is_not_sent(short_folder: Path) -> None:
    broker = BrokerSpec(f"sqlite:///{short_folder}/broker.db", max_message_bytes=2_000_000)
    rules = from_spec(RoutingSpec(broker, (QUEUE,), ()), short_folder)
    options = SendOptions(queue=QUEUE.name)
    with pytest.raises(MessageTooLarge, match=r"t: the arguments take 30000\d\d bytes, .* allows 2000000"):
        send_many("t", [((LARGE,), {})], options, rules=rules)
    assert len(send_many("t", [((SMALL,), {})], options, rules=rules)) == 1


def test_the_command_says_it_without_a_traceback(short_folder: Path) -> None:
    (short_folder / "fleet.toml").write_text(
        '[fleet]\napp = "app"\n[broker]\nmax_message_size = "1KiB"\n[queues.q]\n[[routes]]\ntask = "*"\nqueue = "q"\n'
        '[workers.w]\nqueues = ["q"]\npool = "solo"\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "fleet", "send", "app.t", json.dumps("x" * 2000)],
        cwd=short_folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode != 0
    assert "[broker] max_message_size allows 1024" in done.stderr
    assert "Traceback" not in done.stderr
