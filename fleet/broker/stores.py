"""The store with leases behind a broker URL: the embedded SQLite file, or Redis."""

from __future__ import annotations

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.transports.leased import LeasedStore
from fleet.broker.urls import mask_url, scheme, sqlite_path
from fleet.spec import BrokerSpec


def is_leased(url: str) -> bool:
    return scheme(url) in ("sqlite", "redis")


def is_there(broker: BrokerSpec) -> bool:
    """False for a file that nobody has used yet: who only looks must not make it."""
    return scheme(broker.url) != "sqlite" or sqlite_path(broker.url).exists()


def open_store(broker: BrokerSpec, *, owner: str = "") -> LeasedStore:
    """Connected; only for a URL that `is_leased`. Raises BrokerUnavailable."""
    if scheme(broker.url) == "sqlite":
        from fleet.broker.transports.sqlite_store import SqliteStore

        return SqliteStore(sqlite_path(broker.url), owner=owner, lease_seconds=broker.lease_seconds)
    try:
        from fleet.broker.transports.redis import RedisStore
    except ImportError as error:
        raise BrokerUnavailable(
            f"{mask_url(broker.url)}: {error}; the client comes with: pip install 'fleet[redis]'"
        ) from error
    return RedisStore(
        broker.url,
        owner=owner,
        lease_seconds=broker.lease_seconds,
        transport_options=broker.transport_options,
    )
