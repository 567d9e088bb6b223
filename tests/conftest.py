"""Fixtures for all tests: the three brokers and a short state directory."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import hypothesis
import pytest

from tests.brokers import OwnRabbit, OwnRedis, answers, rabbitmq_server, unavailable
from tests.support import unique

# How long an example takes is the machine's affair, not a property.
hypothesis.settings.register_profile("fleet", deadline=None)
hypothesis.settings.load_profile("fleet")

BROKERS = ("sqlite", "redis", "amqp")


@dataclass
class Broker:
    """A broker that this test may use: names from `queue()` are its own and go away with it."""

    name: str
    url: str
    token: str = field(default_factory=unique)

    def queue(self, name: str = "q") -> str:
        return f"{self.token}.{name}"

    def clean(self) -> None:
        if self.name == "redis":
            forget_redis_keys(self.url, self.token)
        elif self.name == "amqp":
            _forget_amqp_queues(self.token)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    if url := os.environ.get("FLEET_TEST_REDIS_URL"):
        yield url
    elif answers(6379):
        yield "redis://127.0.0.1:6379/0"
    elif shutil.which("redis-server"):
        server = OwnRedis()
        server.start()
        yield server.url
        server.destroy()
    else:
        unavailable("Redis")


@pytest.fixture(scope="session")
def amqp_url() -> Iterator[str]:
    if url := os.environ.get("FLEET_TEST_AMQP_URL"):
        yield url
    elif answers(5672):
        yield "amqp://guest:guest@127.0.0.1:5672//"
    elif rabbitmq_server():
        server = OwnRabbit()
        server.start()
        yield server.url
        server.destroy()
    else:
        unavailable("RabbitMQ")


@pytest.fixture
def own_redis() -> Iterator[OwnRedis]:
    """A Redis of the test's own that it may stop and restart."""
    if not shutil.which("redis-server"):
        unavailable("a Redis of the test's own")
    server = OwnRedis()
    server.start()
    yield server
    server.destroy()


@pytest.fixture
def own_rabbit() -> Iterator[OwnRabbit]:
    """A RabbitMQ of the test's own that it may stop and restart."""
    if not rabbitmq_server():
        unavailable("a RabbitMQ of the test's own")
    server = OwnRabbit()
    server.start()
    yield server
    server.destroy()


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A temporary folder whose path is short enough for Unix sockets."""
    folder = Path(tempfile.mkdtemp(prefix="fl-", dir="/tmp")).resolve()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def state_dir(short_folder: Path) -> Path:
    return short_folder / ".fleet"


@pytest.fixture(params=BROKERS)
def broker(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Broker]:
    yield from make_broker(request.param, request, short_folder)


@pytest.fixture(scope="module")
def hasty_rabbit() -> Iterator[OwnRabbit]:
    """A RabbitMQ that closes the channel of whoever holds a message for longer than two seconds."""
    if not rabbitmq_server():
        unavailable("a RabbitMQ of the test's own")
    server = OwnRabbit(settings={"consumer_timeout": 2000, "channel_tick_interval": 500})
    server.start()
    yield server
    server.destroy()


def make_broker(name: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Broker]:
    """For fixtures that choose the brokers themselves."""
    own = {"sqlite": f"sqlite:///{folder}/broker.db", "memory": "memory://"}
    broker = Broker(name, own.get(name) or request.getfixturevalue(f"{name}_url"))
    yield broker
    broker.clean()


def forget_redis_keys(url: str, token: str) -> None:
    import redis

    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(match=f"*{token}*", count=1000):
            client.delete(key)


def _forget_amqp_queues(token: str) -> None:
    """The default vhost has no management API here: ask the server's own tool, and delete over AMQP."""
    import subprocess

    import kombu

    listing = subprocess.run(
        ["rabbitmqctl", "--silent", "list_queues", "name"], capture_output=True, text=True, check=False
    )
    names = [name for name in listing.stdout.split() if token in name]
    url = os.environ.get("FLEET_TEST_AMQP_URL", "amqp://guest:guest@127.0.0.1:5672//")
    with kombu.Connection(url) as connection:
        for name in names:
            connection.default_channel.queue_delete(name)
