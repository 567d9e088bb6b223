"""The three brokers under fire: each its own, durable, with the faults that it can suffer.

What runs on a server goes through a Proxy; what judges afterwards asks the server itself.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.stats import queue_stats
from fleet.spec import BrokerSpec, QueueSpec, RoutingSpec
from tests.brokers import OwnRabbit, OwnRedis, OwnServer
from tests.chaos.proxy import Proxy

BROKERS = ("sqlite", "redis", "amqp")
QUEUE = "chaos"


@dataclass(frozen=True, slots=True)
class Left:
    """What a queue still holds; `dead` is what was given up."""

    ready: int
    unacked: int
    dead: int


class BrokerUnderFire(Protocol):
    name: str
    url: str
    """For fleets and publishers."""

    def settle(self) -> None:
        """Return when it is safe to kill: the queues have been declared, and the broker is to remember them."""

    def strike(self, kind: str, seconds: float) -> None:
        """One of the kinds of schedule.SERVER or FILE; returns when the broker is whole again."""

    def left(self) -> Left: ...

    def is_empty(self) -> bool:
        """Whether it holds nothing at all, be it with a worker of whatever kind."""


class SqliteUnderFire:
    """A file, whose worst enemy is another process that holds its lock."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "broker.db"
        self.url = f"sqlite:///{self._path}"

    def settle(self) -> None: ...

    def strike(self, kind: str, seconds: float) -> None:
        assert kind == "lock"
        with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as db:
            db.execute("BEGIN EXCLUSIVE")
            time.sleep(seconds)
            db.execute("ROLLBACK")

    def left(self) -> Left:
        return _left(self.url)

    def is_empty(self) -> bool:
        return self.left() == Left(0, 0, 0)


class ServerUnderFire:
    """A server of our own behind a proxy."""

    def __init__(self, name: str, server: OwnServer, proxy: Proxy) -> None:
        self.name, self.server, self.proxy = name, server, proxy
        self.url = server.url.replace(str(server.port), str(proxy.port))

    def settle(self) -> None:
        if isinstance(self.server, OwnRabbit):
            # Killed within two seconds it may forget a new queue, and all confirmed messages in it.
            _rabbitmqctl(self.server, "eval", "mnesia:dump_log().")

    def strike(self, kind: str, seconds: float) -> None:
        match kind:
            case "restart":
                self.server.restart()
            case "crash":
                self.server.stop(signal.SIGKILL)
                self.server.start()
            case "cut":
                self.proxy.cut()
            case "half_open":
                self.proxy.half_open()
            case "freeze":
                self.proxy.freeze()
                time.sleep(seconds)
                self.proxy.thaw()
            case "refuse":
                self.proxy.refuse()
                time.sleep(seconds)
                self.proxy.accept()
            case _:
                raise ValueError(kind)

    def left(self) -> Left:
        return _left(self.server.url)

    def is_empty(self) -> bool:
        if self.left() != Left(0, 0, 0):
            return False
        return not (_with_celery(self.server) if isinstance(self.server, OwnRedis) else _held(self.server))


def _with_celery(server: OwnRedis) -> int:
    """Where stock kombu notes what a worker has taken."""
    import redis

    with redis.Redis.from_url(server.url) as client:
        return int(client.hlen("unacked"))


def _held(server: OwnServer) -> int:
    """RabbitMQ tells only its own tool how many deliveries are not acknowledged."""
    listing = _rabbitmqctl(server, "list_queues", "--no-table-headers", "messages_unacknowledged")
    return sum(map(int, listing.split()))


def _rabbitmqctl(server: OwnServer, *arguments: str) -> str:
    """What it prints."""
    own = "/usr/lib/rabbitmq/bin/rabbitmqctl"
    program = own if os.access(own, os.X_OK) else "rabbitmqctl"
    return subprocess.run(
        [program, "--quiet", "--node", f"fleet{server.port}@localhost", *arguments],
        env=server.environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    ).stdout


def _left(url: str) -> Left:
    broker = BrokerSpec(url=url)
    queue = QueueSpec(name=QUEUE, dead_letter=f"{QUEUE}.dead")
    try:
        (stats,) = queue_stats(RoutingSpec(broker=broker, queues=(queue,), routes=()))
    except BrokerUnavailable as error:
        raise AssertionError(error) from error  # `eventually` asks again
    return Left(stats.ready or 0, stats.unacked or 0, stats.dead or 0)


@contextmanager
def under_fire(name: str, folder: Path) -> Iterator[BrokerUnderFire]:
    """A broker that nobody else uses; gone afterwards."""
    if name == "sqlite":
        yield SqliteUnderFire(folder)
        return
    server = OwnRedis() if name == "redis" else OwnRabbit()
    try:
        server.start()
        proxy = Proxy(server.port)
        try:
            yield ServerUnderFire(name, server, proxy)
        finally:
            proxy.close()
    finally:
        for log in server.folder.rglob("*.log"):
            shutil.copy(log, folder / f"broker-{log.name}")
        server.destroy()
