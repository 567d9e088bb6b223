"""The answer to GET /metrics: the fleet as Prometheus reads it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from starlette.exceptions import HTTPException

from fleet.controller.api import answers
from fleet.controller.metrics.metric_values import Distribution, Number, of_counters, of_status, of_tasks
from fleet.controller.reconciler import Reconciler


async def metrics(reconciler: Reconciler, accept: str) -> tuple[bytes, str]:
    """The text and its content type. Raises HTTPException while there is nothing to tell."""
    status = await answers.status(reconciler)
    if status is None:
        raise HTTPException(503, "the controller has no valid configuration yet")
    history = reconciler.history
    numbers: list[Number | Distribution] = [*of_status(status), *_own(reconciler)]
    groups = frozenset(group["name"] for group in status["groups"])
    numbers += of_counters(history.counters, groups)
    ready = [
        worker["pid"]
        for group in status["groups"]
        for worker in group["workers"]
        if worker["state"] == "ready"
    ]
    if history.has_heard(ready):
        # Else a controller that has just come back would tell less than the one before, which looks like a reset.
        numbers += of_tasks(history.ledger)
    return await asyncio.to_thread(_text, numbers, accept)


def _text(numbers: list[Number | Distribution], accept: str) -> tuple[bytes, str]:
    """In a thread: the first time it imports the library."""
    from fleet.controller.metrics.exposition import exposed

    return exposed(numbers, accept)


def _own(reconciler: Reconciler) -> Iterator[Number]:
    history = reconciler.history
    yield "fleet_history_bytes", (), history.bytes
    yield "fleet_telemetry_dropped_total", ("errors",), history.ledger.unseen
    for alert in reconciler.alerting.ledger.firing if reconciler.alerting else ():
        yield "fleet_alerts_firing", (alert,), 1
    yield "fleet_telemetry_dropped_total", ("disk",), history.dropped.get("disk", 0)
