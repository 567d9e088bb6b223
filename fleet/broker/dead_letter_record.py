"""The record of a dead letter: which message it was, why it died, and where it belongs. Pure."""

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
class DeadLetterRecord:
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

    @property
    def error(self) -> str:
        """The type of the exception, or the whole of a short reason; as workers group what fails."""
        return self.reason.partition(":")[0][:120]


def read(delivery: Delivery, queues: Sequence[QueueSpec]) -> DeadLetterRecord:
    """`queues` are the declared ones. What has died without fleet, by TTL say, tells less."""
    headers = delivery.headers
    death = headers.get(DEATH_HEADER)
    death = death if isinstance(death, dict) else _brokers_own(headers)
    args, kwargs = _arguments(delivery)
    return DeadLetterRecord(
        id=_text(headers.get("id")) or _text(delivery.properties.get("correlation_id")) or "",
        task=_text(headers.get("task")) or "",
        queue=_text(death.get("queue")) or _only_source(delivery.queue, queues),
        dead_letter=delivery.queue,
        reason=_text(death.get("reason")) or delivery.fault or "unknown",
        worker=_text(death.get("worker")),
        at=_number(death.get("at")),
        attempt=_whole(death.get("attempt")),
        retries=_whole(headers.get("retries")) or 0,
        exit_signal=_whole(death.get("exit_signal")),
        traceback=_text(death.get("traceback")),
        args=args,
        kwargs=kwargs,
    )


def _text(value: Any) -> str | None:
    """Anybody may have put anything there."""
    return value if isinstance(value, str) and value else None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31 else None


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
        call = decode(delivery, accept=("json",))
    except MalformedMessage:
        return None, None
    return list(call.args), call.kwargs


def _number(value: Any) -> float | None:
    """A moment that a calendar has."""
    return float(value) if isinstance(value, int | float) and 0 <= value < 2**37 else None
