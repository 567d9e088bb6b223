"""Publish into a store with leases."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.broker.delivery import Posting
from fleet.broker.leased.store import LeasedStore, declare
from fleet.spec import QueueSpec


class LeasedPublisher:
    """See Publisher."""

    def __init__(self, store: LeasedStore) -> None:
        self._store = store

    def declare(self, queue: QueueSpec) -> None:
        declare(self._store, queue)

    def publish(self, postings: Sequence[Posting]) -> None:
        self._store.publish(postings)

    def close(self) -> None:
        self._store.close()
