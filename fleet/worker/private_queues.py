"""The private queues of a worker: those that its app makes for this one worker, beside the queues of its group.

Only the app knows of them, and it is imported while the worker's connection is made already; what a Celery app has of
these is in `fleet/celery/worker_queues.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from fleet.spec import QueueSpec


class PrivateQueues(NamedTuple):
    """`added` to the queues of the group; those called `replaced` hold nothing themselves and are not consumed."""

    added: tuple[QueueSpec, ...] = ()
    replaced: frozenset[str] = frozenset()

    def among(self, queues: Sequence[QueueSpec]) -> tuple[QueueSpec, ...]:
        """What the worker consumes, given the queues of its group. Its dead letters are where the group's first are."""
        kept = [queue for queue in queues if queue.name not in self.replaced]
        names = {queue.name for queue in kept}
        dead_letter = queues[0].dead_letter if queues else None
        added = [replace(queue, dead_letter=dead_letter) for queue in self.added if queue.name not in names]
        return (*kept, *added)


NO_PRIVATE_QUEUES = PrivateQueues()
