"""kombu's transport for `fleet-redis://…`: the Redis store for kombu and Celery, with fleet's leases.

Also fleet-rediss (TLS), fleet-redis+socket and fleet-sentinel; `fleet.broker.kombu_transport.aliases` makes kombu
know them. Who only publishes needs none of it: plain `redis://` of kombu's own writes to the same keys.
"""

from __future__ import annotations

import os
from typing import Any
from uuid import uuid4

from kombu.utils.url import as_url

from fleet.broker.kombu_transport import transport as virtual
from fleet.broker.leased.lifetimes import Lifetimes
from fleet.broker.leased.store import LeasedStore
from fleet.broker.redis.keys import urgency
from fleet.broker.redis.lifetimes import RedisLifetimes
from fleet.broker.redis.store import RedisStore


class Channel(virtual.Channel):
    """Priorities as kombu's own Redis transport numbers them: 0, which is also none at all, goes first."""

    def fleets_priority(self, priority: int | None) -> int | None:
        return urgency(priority) if priority else None

    def kombus_priority(self, priority: int | None) -> int | None:
        return 0 if priority is None else urgency(priority)


class Transport(virtual.Transport):
    Channel = Channel
    driver_type = "redis"
    driver_name = "fleet"
    default_port = 6379

    def open_store(self) -> tuple[LeasedStore, Lifetimes]:
        options = dict(self.client.transport_options)
        if self.client.ssl:
            options["ssl"] = self.client.ssl
        store = RedisStore(
            _url(self.client),
            owner=f"kombu-{os.uname().nodename}-{os.getpid()}-{uuid4().hex[:8]}",
            lease_seconds=self.lease_seconds,
            transport_options=options,
        )
        return store, RedisLifetimes(store)

    def driver_version(self) -> str:
        from fleet import __version__

        return __version__


class SentinelTransport(Transport):
    default_port = 26379


def _url(client: Any) -> str:
    """What `client` (a kombu.Connection) is connected to now: after a failover not its first URL."""
    scheme = client.transport_cls.removeprefix("fleet-")
    if scheme == "sentinel" and client.alt:
        return ";".join(part.removeprefix("fleet-") for part in client.alt)
    if "://" in client.hostname:
        return f"{scheme}+{client.hostname}"
    return str(
        as_url(scheme, client.hostname, client.port, client.userid, client.password, client.virtual_host)
    )
