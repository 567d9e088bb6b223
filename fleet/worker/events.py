"""The events of Celery about a delivery: the fields of `celery/worker/strategy.py` and `celery/worker/request.py`."""

from __future__ import annotations

from typing import Any

from fleet.broker.delivery import Delivery
from fleet.worker.headers import retries_of, task_of
from fleet.worker.outcome import Outcome

_COPIED = ("root_id", "parent_id", "eta", "expires")


def received(delivery: Delivery) -> dict[str, Any]:
    """Of task-received."""
    headers = delivery.headers
    return {
        "name": headers.get("shadow") or task_of(delivery),
        "args": headers.get("argsrepr"),
        "kwargs": headers.get("kwargsrepr"),
        "retries": retries_of(delivery),
        **{name: headers.get(name) for name in _COPIED},
    }


def ended(outcome: Outcome) -> tuple[str, dict[str, Any]]:
    """The type of the event, and its fields."""
    if outcome.kind == "succeeded" or outcome.told == "succeeded":
        return "task-succeeded", {"result": outcome.result, "runtime": outcome.wall_seconds}
    match outcome.told:
        case "retried":
            return "task-retried", {"exception": outcome.reason, "traceback": outcome.traceback}
        case "revoked" | "expired":
            terminated, expired = outcome.reason == "terminated", outcome.told == "expired"
            return "task-revoked", {"terminated": terminated, "signum": None, "expired": expired}
        case "rejected" | "ignored":
            return "task-rejected", {"requeue": False}
    if outcome.kind == "put back":
        return "task-rejected", {"requeue": True}
    return "task-failed", {"exception": outcome.reason, "traceback": outcome.traceback}
