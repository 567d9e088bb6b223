"""Queues as dashboard and alerts go by them: each with how long a message may wait there."""

from __future__ import annotations

from typing import NamedTuple

from fleet.config.model import Autoscale, Fleet

DEFAULT_WAIT_SECONDS = 300.0


class WatchedQueue(NamedTuple):
    """`said`: where the seconds come from, in words."""

    name: str
    wait_seconds: float
    said: str


def watched_queues(fleet: Fleet) -> list[WatchedQueue]:
    """Every queue that is consumed, by name: its `alert_wait`, else the smallest `target_latency` of its groups."""
    found = []
    for name in sorted({queue for group in fleet.workers.values() for queue in group.queues}):
        targets = [
            group.replicas.target_latency.total_seconds()
            for group in fleet.workers.values()
            if name in group.queues and isinstance(group.replicas, Autoscale)
        ]
        said = fleet.queues[name].alert_wait if name in fleet.queues else None
        if said is not None:
            found.append(WatchedQueue(name, said.total_seconds(), "alert_wait"))
        elif targets:
            found.append(WatchedQueue(name, min(targets), "target_latency"))
        else:
            found.append(
                WatchedQueue(name, DEFAULT_WAIT_SECONDS, "nobody says: alert_wait in fleet.toml does")
            )
    return found


def label(value: str) -> str:
    """As a string of PromQL."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
