"""The policies of Celery's tasks, as the worker's loop has to know them: limits, when to acknowledge, the rate."""

from __future__ import annotations

from typing import Any

from fleet.worker.outcome import Own


def own_of(task: Any) -> Own:
    """Fields of a Policy. Celery has bound the task to its app's settings: its attributes are what holds."""
    own: Own = {"acks": "late" if task.acks_late else "early"}
    if task.time_limit is not None:
        own["time_limit_seconds"] = float(task.time_limit)
    if task.soft_time_limit is not None:
        own["soft_time_limit_seconds"] = float(task.soft_time_limit)
    if task.rate_limit:
        own["rate_limit"] = str(task.rate_limit)
    if task.reject_on_worker_lost is False:  # not None, which is the default and says nothing
        own["on_loss"] = "record"
    return own
