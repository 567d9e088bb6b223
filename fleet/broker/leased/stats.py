"""The statistics of queues in a store with leases."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.broker.leased.store import LeasedStore
from fleet.broker.stats import QueueStats
from fleet.spec import QueueSpec


def leased_stats(store: LeasedStore, queues: Sequence[QueueSpec]) -> list[QueueStats]:
    """Raises BrokerUnavailable."""
    return [_of(store, queue) for queue in queues]


def nothing_yet(queues: Sequence[QueueSpec]) -> list[QueueStats]:
    """Of a store that nobody has used."""
    return [QueueStats(queue.name, 0, 0, None, 0, delayed=0) for queue in queues]


def _of(store: LeasedStore, queue: QueueSpec) -> QueueStats:
    seen = store.stats(queue.name)
    dead = store.size(queue.dead_letter) if queue.dead_letter else 0
    return QueueStats(queue.name, seen.ready, seen.claimed, None, dead, seen.oldest_seconds, seen.delayed)
