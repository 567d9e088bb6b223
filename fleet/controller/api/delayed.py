"""Messages that are not due yet: the answers to GET /delayed and POST /delayed/cancel, which is noted as a command."""

from __future__ import annotations

from typing import Any

from starlette.exceptions import HTTPException

from fleet.broker.delayed import cancel, list_delayed
from fleet.broker.delivery import BrokerUnavailable
from fleet.controller.api.commands import Request as Command
from fleet.controller.api.commands import audit
from fleet.controller.observed.queue_stats import in_own_thread
from fleet.controller.reconciler import Reconciler
from fleet.spec import RoutingSpec


async def listed(reconciler: Reconciler, queue: str | None, limit: int) -> dict[str, Any]:
    """Raises HTTPException."""
    routing, names = _routing(reconciler, queue)
    try:
        found = await in_own_thread(lambda: list_delayed(routing, names, limit))
    except BrokerUnavailable as error:
        raise HTTPException(503, str(error)) from error
    return found._asdict()


async def cancelled(reconciler: Reconciler, command: Command) -> dict[str, Any]:
    """Raises HTTPException: 404 when there is no such message, 409 where the broker does not allow it."""
    ident = command.arguments.get("id")
    if not isinstance(ident, str) or not ident:
        raise HTTPException(400, f"id: expected a text, got {ident!r}")
    routing, names = _routing(reconciler, command.arguments.get("queue"))
    try:
        queue = await in_own_thread(lambda: cancel(routing, names, ident))
    except ValueError as error:
        raise HTTPException(409, str(error)) from error
    except BrokerUnavailable as error:
        raise HTTPException(503, str(error)) from error
    if queue is None:
        raise HTTPException(404, f"{ident}: no delayed message with this id (any more)")
    audit(reconciler, command, "INFO", f"cancelled {ident} of queue {queue}")
    return {"cancelled": ident, "queue": queue}


def _routing(reconciler: Reconciler, queue: object) -> tuple[RoutingSpec, list[str]]:
    declared = reconciler.declaration.accepted
    if declared is None:
        raise HTTPException(503, "the controller has no valid configuration yet")
    names = [each.name for each in declared.routing.queues]
    if queue is not None and queue not in names:
        raise HTTPException(400, f"there is no queue {queue!r}; there are: {', '.join(names)}")
    return declared.routing, names if queue is None else [str(queue)]
