"""One message by its id: in flight → ended lately → groups of errors → dead letters → waiting.

Nothing is changed on the broker. Where it can't be looked into (RabbitMQ), or only so far (Redis), that is said.
"""

from __future__ import annotations

import asyncio
from typing import Any

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.looking import Looked, look_for
from fleet.controller.observed.queue_stats import in_own_thread
from fleet.controller.reconciler import Reconciler

_BROKER_SECONDS = 5.0


async def find_message(reconciler: Reconciler, ident: str) -> dict[str, Any]:
    """`found` is where it is, null when nowhere; `ended` how it ended in workers lately; `looked` says how far."""
    workers = {
        worker.pid: worker.worker
        for worker in (reconciler.observation.workers if reconciler.observation else ())
        if worker.pid
    }
    said = await reconciler.workers.ask(workers, "message", {"id": ident})
    known = [
        {**answer["message"], "worker": workers[pid]}
        for pid, answer in said.items()
        if isinstance(answer.get("message"), dict)
    ]
    ended = [{**each, "worker": one["worker"]} for one in known for each in _ended(one)]
    ended.sort(key=lambda each: each.get("ended_at") or 0)
    at_work = next((one for one in known if one.get("state") in ("running", "held")), None)
    failed = [
        {
            "type": key.type,
            "place": key.place,
            "reason": group.example.reason,
            "traceback": group.example.traceback,
        }
        for key, group in reconciler.history.ledger.errors.items()
        if group.example.id == ident
    ]
    looked = await _on_broker(reconciler, ident) if at_work is None else Looked([], None)
    found = {name: value for name, value in at_work.items() if name != "ended"} if at_work else looked.found
    return {"id": ident, "found": found, "ended": ended, "errors": failed, "looked": looked.said}


def _ended(said: dict[str, Any]) -> list[dict[str, Any]]:
    return [each for each in said.get("ended") or [] if isinstance(each, dict)]


async def _on_broker(reconciler: Reconciler, ident: str) -> Looked:
    declared = reconciler.declaration.accepted
    if declared is None:
        return Looked(["nothing is declared yet"], None)
    routing = declared.routing
    try:
        return await asyncio.wait_for(in_own_thread(lambda: look_for(routing, ident)), _BROKER_SECONDS)
    except TimeoutError:
        return Looked([f"the broker has not answered within {_BROKER_SECONDS:.0f}s"], None)
    except BrokerUnavailable as error:
        return Looked([str(error)], None)
