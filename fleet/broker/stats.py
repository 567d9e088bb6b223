"""The statistics of queues, as a broker provides them to `fleet status` and the autoscaler.

Each kind of broker has a function for them, which declares and consumes nothing; `open.queue_stats` chooses.
"""

from __future__ import annotations

from dataclasses import dataclass

from fleet.spec import Spec


@dataclass(frozen=True, slots=True)
class QueueStats(Spec):
    """One declared queue; None where the broker can't say. `dead` counts its dead-letter queue.

    `ready` counts what was set aside on RabbitMQ as well, to be run alone.
    """

    name: str
    ready: int | None = None
    unacked: int | None = None
    consumers: int | None = None
    dead: int | None = None
    oldest_seconds: float | None = None
    delayed: int | None = None  # those that are not due yet
