"""A Redis under fire: what it refuses, and its failovers."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.open import open_store
from fleet.spec import BrokerSpec
from tests.brokers import OwnRedis, OwnServer
from tests.chaos.brokers import ServerUnderFire, certificate, destroy
from tests.chaos.names import DEAD, QUEUE
from tests.chaos.proxy import Proxy
from tests.chaos.schedule import Fault
from tests.chaos.setups import MASTER, Setup
from tests.support import eventually

_ADMIN = "chaos-admin"
_USER = "chaos"
_DOWN_AFTER_MILLISECONDS = 1000


@dataclass
class Redis(OwnRedis):
    """`more` arguments; `admin` may do everything even while others may not."""

    more: list[str] = field(default_factory=list)
    users: str = ""

    def command(self) -> list[str]:
        users = self.folder / "users.acl"
        if not users.exists():
            users.write_text(f"user {_ADMIN} on >secret ~* &* +@all\n{self.users}")
        return [*super().command(), "--aclfile", str(users), "--repl-diskless-sync-delay", "0", *self.more]

    def client(self) -> Any:
        import redis

        return redis.Redis(port=self.port, username=_ADMIN, password="secret", socket_timeout=10)


@dataclass
class Sentinel(OwnServer):
    program: str = "redis-server"  # with `--sentinel`; Debian has a package of its own for another name of it
    watches: int = 0

    @property
    def url(self) -> str:
        return f"sentinel://127.0.0.1:{self.port}/0"

    def command(self) -> list[str]:
        lines = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"sentinel monitor {MASTER} 127.0.0.1 {self.watches} 1",
            f"sentinel down-after-milliseconds {MASTER} {_DOWN_AFTER_MILLISECONDS}",
            f"sentinel failover-timeout {MASTER} 5000",
        ]
        settings = self.folder / "sentinel.conf"
        settings.write_text("\n".join(lines) + "\n")
        return [self.program, str(settings), "--sentinel"]

    def master(self) -> int:
        """The port of the master as clients are told."""
        import redis

        with redis.Redis(port=self.port, socket_timeout=10) as client:
            return int(client.sentinel_get_master_addr_by_name(MASTER)[1])

    def replicas(self) -> int:
        import redis

        with redis.Redis(port=self.port, socket_timeout=10) as client:
            return len(client.sentinel_slaves(MASTER))


class RedisUnderFire(ServerUnderFire):
    """`spare` is a replica, which changes places with the server."""

    name = "redis"

    def __init__(
        self, server: Redis, proxy: Proxy, *, spare: Redis | None, sentinel: Sentinel | None
    ) -> None:
        super().__init__(server, proxy)
        self._redis = server
        self._spare, self._sentinel = spare, sentinel
        self._trusted: Path | None = None
        if sentinel is not None:
            self.url = sentinel.url

    def trust(self, signed: Path) -> None:
        self.url = self.url.replace("redis://", "rediss://")
        self._trusted = signed

    def environment(self) -> dict[str, str]:
        return {"SSL_CERT_FILE": str(self._trusted)} if self._trusted else {}

    def refuse(self, fault: Fault) -> None:
        with self._redis.client() as admin:
            match fault.kind:
                case "readonly":
                    # As a replica whose master is away: data stays, writes are refused.
                    self._meanwhile(admin, "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", fault)
                case "oom":
                    self._meanwhile(admin, "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", fault)
                case "forbid":
                    name = _USER if self._redis.users else "default"
                    rights = "+@all -@dangerous" if self._redis.users else "+@all"
                    self._meanwhile(admin, f"ACL SETUSER {name} -@all", f"ACL SETUSER {name} {rights}", fault)
                case "promote":
                    self._promote(admin)
                case "sentinel":
                    self._fail_over(admin)
                case _:
                    raise ValueError(fault.kind)

    @staticmethod
    def _meanwhile(admin: Any, before: str, after: str, fault: Fault) -> None:
        admin.execute_command(*before.split())
        try:
            time.sleep(fault.seconds)
        finally:
            admin.execute_command(*after.split())

    def _promote(self, admin: Any) -> None:
        """In good order, so that nothing is lost. Connections of now stay with what is a replica from then on."""
        assert self._spare is not None
        eventually(self.replicates, within=30, message="the replica has its master")
        admin.execute_command("FAILOVER")
        with self._spare.client() as spare:
            eventually(lambda: _role(spare) == "master", within=30, message="the replica is the master")
        self._change_places()
        eventually(self.replicates, within=30, message="the former master is a replica")

    def _fail_over(self, admin: Any) -> None:
        """The master is killed; what it has told anybody the replica has got before."""
        assert self._spare is not None
        assert self._sentinel is not None
        sentinel, spare = self._sentinel, self._spare
        eventually(self.replicates, within=30, message="the replica has its master")
        admin.execute_command("CLIENT", "PAUSE", "1000", "WRITE")
        admin.execute_command("WAIT", "1", "500")
        self._redis.stop(signal.SIGKILL)
        eventually(lambda: sentinel.master() == spare.port, within=60, message="Sentinel names the replica")
        with spare.client() as client:
            eventually(lambda: _role(client) == "master", within=30, message="the replica is the master")
        self._redis.more = ["--replicaof", "127.0.0.1", str(spare.port)]
        self._redis.start()
        self._change_places()
        self._redis.more = []
        eventually(self.replicates, within=30, message="the former master is a replica")

    def _change_places(self) -> None:
        assert self._spare is not None
        self._redis, self._spare = self._spare, self._redis
        self.server = self._redis
        self.proxy.target = self._redis.port

    def replicates(self) -> bool:
        assert self._spare is not None
        with self._spare.client() as client:
            return client.info("replication").get("master_link_status") == "up"

    @property
    def judging_url(self) -> str:
        """By a user whom no fault forbids anything."""
        return self.server.url.replace("redis://", f"redis://{_ADMIN}:secret@")

    def holds(self) -> int:
        try:
            store = open_store(BrokerSpec(url=self.judging_url))
            try:
                counts = [store.stats(queue) for queue in (QUEUE, DEAD)]
            finally:
                store.close()
        except BrokerUnavailable as error:
            raise AssertionError(error) from error
        return sum(each.ready + each.delayed + each.claimed for each in counts)

    def is_empty(self) -> bool:
        if self.holds() != self.left().dead:
            return False
        with self._redis.client() as client:  # where stock kombu notes what a worker has taken
            return not client.hlen("unacked")


def _role(client: Any) -> str:
    return str(client.execute_command("ROLE")[0].decode())


@contextmanager
def redis_under_fire(folder: Path, setup: Setup) -> Iterator[RedisUnderFire]:
    with ExitStack() as stack:

        def started(server: Any) -> Any:
            stack.callback(destroy, server, folder)
            server.start()
            return server

        users = f"user {_USER} on >chaos ~* &* +@all -@dangerous\n" if setup.name == "acl" else ""
        server = started(Redis(users=users))
        spare = sentinel = None
        if setup.name in ("replica", "sentinel"):
            spare = started(Redis(more=["--replicaof", "127.0.0.1", str(server.port)]))
        if setup.name == "sentinel":
            sentinel = started(Sentinel(watches=server.port))
            eventually(lambda: sentinel.replicas() == 1, within=60, message="Sentinel knows the replica")
        signed = certificate(folder) if setup.name == "tls" else None
        proxy = Proxy(server.port, certificate=signed)
        stack.callback(proxy.close)
        broker = RedisUnderFire(server, proxy, spare=spare, sentinel=sentinel)
        if setup.name == "acl":
            broker.url = broker.url.replace("redis://", f"redis://{_USER}:chaos@")
        if signed is not None:
            broker.trust(signed[0])
        if spare is not None:
            eventually(broker.replicates, within=30, message="the replica has a master")
        yield broker
