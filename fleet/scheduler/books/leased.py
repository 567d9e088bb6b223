"""The book in Redis or SQLite: note and messages in one step, for as many schedulers as there are hosts."""

from __future__ import annotations

import time
from collections.abc import Sequence

from fleet.broker.consumer import BrokerConsumer, Subscription
from fleet.broker.delivery import BrokerUnavailable, Delivery
from fleet.broker.leased.store import LeasedStore, declare
from fleet.broker.notes import Entry, Written, orders_spec
from fleet.broker.open import open_consumer, open_store
from fleet.broker.queue_order import WEIGHTED
from fleet.broker.urls import scheme
from fleet.spec import QueueSpec, RoutingSpec

_ORDERS_AT_ONCE = 100
_CLOCK_SECONDS = 10.0  # how long the broker's time is believed to go as ours


class LeasedBook:
    """See Book."""

    def __init__(self, fleet: str, routing: RoutingSpec, *, identity: str) -> None:
        self._fleet = fleet
        self._broker = routing.broker
        self._queues = {queue.name: queue for queue in routing.queues}
        self._has_own_clock = scheme(routing.broker.url) == "redis"
        self._orders: BrokerConsumer = open_consumer(
            Subscription(
                routing.broker,
                [orders_spec(fleet, routing.broker)],
                prefetch=_ORDERS_AT_ONCE,
                identity=identity,
                queue_order=WEIGHTED,
            )
        )
        self._opened: LeasedStore | None = None
        self._declared: set[str] = set()
        self._ahead = 0.0  # seconds of the broker's time before our monotonic clock
        self._read_clock_at = float("-inf")

    @property
    def _store(self) -> LeasedStore:
        if self._opened is None:
            raise BrokerUnavailable("not connected")
        return self._opened

    def connect(self) -> None:
        self._declared.clear()
        self._read_clock_at = float("-inf")
        if self._opened is None:
            self._opened = open_store(self._broker)
        else:
            self._opened.reconnect()
        self._orders.connect()

    def now(self) -> int:
        if not self._has_own_clock:
            return int(time.time() * 1000)
        before = time.monotonic()
        if before - self._read_clock_at > _CLOCK_SECONDS:
            said = self._store.now()
            after = time.monotonic()
            self._ahead = said - (before + after) / 2
            self._read_clock_at = after
        return int((time.monotonic() + self._ahead) * 1000)

    def notes(self) -> dict[str, str]:
        return self._store.notes(self._fleet)

    def enter(self, entries: Sequence[Entry]) -> list[Written]:
        for name in {posting.queue for entry in entries for posting in entry.postings} - self._declared:
            declare(self._store, self._queues.get(name) or QueueSpec(name))
            self._declared.add(name)
        return self._store.enter(self._fleet, entries)

    def wait(self, seconds: float, wake_fd: int) -> list[Delivery]:
        return self._orders.wait(seconds, wake_fd)

    def done(self, orders: Sequence[Delivery]) -> None:
        self._orders.ack(orders)

    def is_empty(self, queue: str) -> bool:
        stats = self._store.stats(queue)
        return stats.ready == stats.delayed == stats.claimed == 0

    def close(self) -> None:
        self._orders.close()
        if self._opened is not None:
            self._opened.close()
            self._opened = None
