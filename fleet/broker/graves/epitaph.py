"""What a dead letter tells: which message it was, why it died, and where it belongs. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleet.broker.delivery import Delivery
from fleet.broker.reposting import DEATH_HEADER
from fleet.protocol import MalformedMessage, decode
from fleet.spec import QueueSpec


@dataclass(frozen=True, slots=True)
class Epitaph:
    """`queue` is where it died and may go back to; None when nobody knows. `at` is a POSIX timestamp.

    `args` and `kwargs` are None when the message is malformed.
    """

    id: str
    task: str
    queue: str | None
    dead_letter: str
    reason: str
    worker: str | None
    at: float | None
    attempt: int | None
    retries: int
    exit_signal: int | None
    traceback: str | None
    args: list[Any] | None
    kwargs: dict[str, Any] | None


def read(delivery: Delivery, queues: Sequence[QueueSpec]) -> Epitaph:
    """`queues` are the declared ones. What has died without fleet, by TTL say, tells less."""
    headers = delivery.headers
    death = headers.get(DEATH_HEADER)
    death = death if isinstance(death, dict) else _brokers_own(headers)
    args, kwargs = _arguments(delivery)
    return Epitaph(
        id=str(headers.get("id") or delivery.properties.get("correlation_id") or ""),
        task=str(headers.get("task") or ""),
        queue=death.get("queue") or _only_source(delivery.queue, queues),
        dead_letter=delivery.queue,
        reason=str(death.get("reason") or "unknown"),
        worker=death.get("worker"),
        at=_number(death.get("at")),
        attempt=death.get("attempt"),
        retries=headers["retries"] if isinstance(headers.get("retries"), int) else 0,
        exit_signal=death.get("exit_signal"),
        traceback=death.get("traceback"),
        args=args,
        kwargs=kwargs,
    )


def _brokers_own(headers: dict[str, Any]) -> dict[str, Any]:
    """RabbitMQ's `x-death`: the latest first."""
    deaths = headers.get("x-death")
    if not (isinstance(deaths, list) and deaths and isinstance(deaths[0], dict)):
        return {}
    latest = deaths[0]
    moment = latest.get("time")
    return {
        "queue": latest.get("queue"),
        "reason": f"the broker: {latest.get('reason')}",
        "at": moment.timestamp() if isinstance(moment, datetime) else None,
    }


def _only_source(dead_letter: str, queues: Sequence[QueueSpec]) -> str | None:
    sources = [queue.name for queue in queues if queue.dead_letter == dead_letter]
    return sources[0] if len(sources) == 1 else None


def _arguments(delivery: Delivery) -> tuple[list[Any] | None, dict[str, Any] | None]:
    try:
        call = decode(
            delivery.headers,
            delivery.body,
            content_type=delivery.content_type,
            content_encoding=delivery.content_encoding,
            accept=("json",),
        )
    except MalformedMessage:
        return None, None
    return list(call.args), call.kwargs


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
