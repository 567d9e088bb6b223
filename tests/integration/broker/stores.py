"""For tests of stores with leases: open some on the same broker, post and read small messages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.broker.delivery import Posting
from fleet.broker.leased.store import Claim, LeasedStore
from fleet.protocol import Encoded
from tests.support import unique


@dataclass
class Stores:
    """Opens stores of one kind on one broker; closes them all."""

    connect: Callable[[str, float], LeasedStore]
    token: str = field(default_factory=unique)
    opened: list[LeasedStore] = field(default_factory=list)

    def open(self, owner: str = "worker", lease_seconds: float = 30.0) -> Any:
        store = self.connect(owner, lease_seconds)
        self.opened.append(store)
        return store

    def queue(self, name: str = "q") -> str:
        return f"{self.token}.{name}"


def sqlite_stores(folder: Path) -> Iterator[Stores]:
    from fleet.broker.sqlite.store import SqliteStore

    stores = Stores(lambda owner, lease: SqliteStore(folder / "broker.db", owner=owner, lease_seconds=lease))
    yield from _closing(stores)


def redis_stores(url: str, **options: Any) -> Iterator[Stores]:
    import redis

    from fleet.broker.redis import RedisStore

    stores = Stores(
        lambda owner, lease: RedisStore(url, owner=owner, lease_seconds=lease, transport_options=all)
    )
    prefix = f"{{{stores.token}}}"
    all = {"global_keyprefix": prefix, **options}
    yield from _closing(stores)
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(match=f"{prefix}*", count=1000):
            client.delete(key)


def _closing(stores: Stores) -> Iterator[Stores]:
    yield stores
    for store in stores.opened:
        with suppress(OSError):  # a test may have closed it
            store.close()


def message(body: str = "hello", **properties: Any) -> Encoded:
    return Encoded(body.encode(), {"task": "t", "id": body}, {"correlation_id": body, **properties})


def postings(queue: str, *bodies: str, **properties: Any) -> list[Posting]:
    return [Posting(queue, message(body, **properties)) for body in bodies]


def bodies(claims: Sequence[Claim]) -> list[str]:
    return [claim.message.body.decode() for claim in claims]


def tags(claims: Sequence[Claim]) -> list[Any]:
    return [claim.tag for claim in claims]
