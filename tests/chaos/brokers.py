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
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.open import open_dead_letters, queue_stats
from fleet.spec import BrokerSpec, QueueSpec, RoutingSpec
from tests.brokers import OwnServer
from tests.chaos.names import DEAD, QUEUE
from tests.chaos.proxy import Proxy
from tests.chaos.schedule import Fault
from tests.chaos.setups import PLAIN, Setup

BROKERS = ("sqlite", "redis", "amqp")
_MOST_DEAD = 100_000


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

    def strike(self, fault: Fault) -> frozenset[int]:
        """One of the kinds of schedule.TROUBLE; returns when the broker is whole again."""

    def left(self) -> Left: ...

    def holds(self) -> int:
        """Messages on it at this moment, wherever; raises AssertionError when it can't say."""

    def dead(self) -> list[bytes]:
        """The bodies of its dead letters."""

    def is_empty(self) -> bool:
        """Whether it holds nothing at all but dead letters, be it with a worker of whatever kind."""

    def environment(self) -> dict[str, str]:
        """What its clients need."""


class SqliteUnderFire:
    """A file, whose worst enemies are another process that holds its lock, and a full disk."""

    name = "sqlite"

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "disk"
        self._folder.mkdir()
        self.is_mounted = _mount(self._folder)
        self._path = self._folder / "broker.db"
        self.url = f"sqlite:///{self._path}"

    def settle(self) -> None: ...

    def strike(self, fault: Fault) -> frozenset[int]:
        if fault.kind == "lock":
            with closing(sqlite3.connect(self._path, timeout=10, isolation_level=None)) as db:
                db.execute("BEGIN EXCLUSIVE")
                time.sleep(fault.seconds)
                db.execute("ROLLBACK")
        elif self.is_mounted:
            assert fault.kind == "disk_full", fault.kind
            _fill(self._folder / "ballast", fault.seconds)
        return frozenset()

    def left(self) -> Left:
        return left_of(self.url)

    def holds(self) -> int:
        try:
            with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=10)) as db:
                return int(db.execute("SELECT count(*) FROM messages").fetchone()[0])
        except sqlite3.OperationalError as error:
            raise AssertionError(error) from error

    def dead(self) -> list[bytes]:
        return dead_letters(self.url)

    def is_empty(self) -> bool:
        return self.holds() == self.left().dead

    def environment(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        if self.is_mounted:
            subprocess.run(["umount", "--lazy", str(self._folder)], check=False)


def _mount(folder: Path) -> bool:
    """A small disk of its own, where this user may mount one."""
    command = ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)]
    if not shutil.which("mount"):
        return False
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def _fill(ballast: Path, seconds: float) -> None:
    try:
        with suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(bytes(4096)):
                pass
        time.sleep(seconds)
    finally:
        ballast.unlink(missing_ok=True)


class ServerUnderFire:
    """A server of our own behind a proxy."""

    name = ""

    def __init__(self, server: OwnServer, proxy: Proxy) -> None:
        self.server, self.proxy = server, proxy
        self.url = server.url.replace(str(server.port), str(proxy.port))

    def settle(self) -> None: ...

    def strike(self, fault: Fault) -> frozenset[int]:
        match fault.kind:
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
                time.sleep(fault.seconds)
                self.proxy.thaw()
            case "refuse":
                self.proxy.refuse()
                time.sleep(fault.seconds)
                self.proxy.accept()
            case _:
                self.refuse(fault)
        return frozenset()

    def refuse(self, fault: Fault) -> None:
        """The kinds in which it answers, and says no."""
        raise NotImplementedError

    @property
    def judging_url(self) -> str:
        """Past the proxy."""
        return self.server.url

    def left(self) -> Left:
        return left_of(self.judging_url)

    def dead(self) -> list[bytes]:
        return dead_letters(self.judging_url)

    def environment(self) -> dict[str, str]:
        return {}

    def close(self) -> None:
        self.proxy.close()


def left_of(url: str) -> Left:
    broker = BrokerSpec(url=url)
    queue = QueueSpec(name=QUEUE, dead_letter=DEAD)
    try:
        (stats,) = queue_stats(RoutingSpec(broker=broker, queues=(queue,), routes=()))
    except BrokerUnavailable as error:
        raise AssertionError(error) from error  # `eventually` asks again
    return Left(stats.ready or 0, stats.unacked or 0, stats.dead or 0)


def dead_letters(url: str) -> list[bytes]:
    try:
        graves = open_dead_letters(BrokerSpec(url=url))
        if graves is None:
            return []
        try:
            return [bytes(each.body) for each in graves.look(DEAD, _MOST_DEAD)]
        finally:
            graves.close()
    except BrokerUnavailable as error:
        raise AssertionError(error) from error


@contextmanager
def under_fire(name: str, folder: Path, setup: Setup = PLAIN) -> Iterator[BrokerUnderFire]:
    """A broker that nobody else uses; gone afterwards."""
    from tests.chaos.rabbit import rabbit_under_fire
    from tests.chaos.redis import redis_under_fire

    if name == "sqlite":
        broker = SqliteUnderFire(folder)
        try:
            yield broker
        finally:
            broker.close()
        return
    opened = redis_under_fire(folder, setup) if name == "redis" else rabbit_under_fire(folder, setup)
    with opened as server:
        yield server


def destroy(server: OwnServer, folder: Path) -> None:
    """Its log stays in `folder`."""
    for log in server.folder.rglob("*.log"):
        shutil.copy(log, folder / f"broker-{server.port}-{log.name}")
    server.destroy()


def certificate(folder: Path) -> tuple[Path, Path]:
    """For 127.0.0.1, signed by itself, and its key."""
    signed, key = folder / "chaos.crt", folder / "chaos.key"
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*command, "-out", signed, "-keyout", key], check=True, capture_output=True)
    os.chmod(key, 0o600)  # noqa: PTH101
    return signed, key
