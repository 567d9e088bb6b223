"""The JSON of GET /statistics and GET /errors: what workers have counted, in total and in the last minutes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from operator import add
from typing import Any

from fleet.controller.history.totals import ErrorGroup, ErrorKey, Key, Totals
from fleet.histogram import BOUNDS, quantile
from fleet.telemetry import (
    CPU,
    DURATIONS,
    NEGATIVE_WAITS,
    OUTCOMES,
    RETRIED,
    UNKNOWN_WAITS,
    WAITED,
    WAITS,
    WALL,
    nothing,
)

DEFAULT_WINDOW_SECONDS = 300.0
QUANTILES = (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))


def statistics(
    ledger: Totals, now: float, seconds: float, window: Mapping[Key, list[float]]
) -> dict[str, Any]:
    """Each (queue, task), each queue and each group; `window` is what the last `seconds` had."""
    tasks = sorted(key for key in ledger.totals if key.kind == "task")
    groups = sorted(key for key in ledger.totals if key.kind == "group")
    return {
        "at": now,
        "window_seconds": round(seconds, 3),
        "bounds": list(BOUNDS),
        "tasks": [
            {
                "queue": key.name,
                "task": key.task,
                "last_success_at": ledger.last_success.get(key),
                "total": counted(ledger.totals[key]),
                "window": counted(window.get(key, ()), seconds),
            }
            for key in tasks
        ],
        "queues": [
            {
                "queue": name,
                "total": counted(_sum(ledger.totals, name)),
                "window": counted(_sum(window, name), seconds),
            }
            for name in sorted({key.name for key in tasks})
        ],
        "groups": [
            {
                "group": key.name,
                "total": counted(ledger.totals[key]),
                "window": counted(window.get(key, ()), seconds),
            }
            for key in groups
        ],
    }


def _sum(numbers: Mapping[Key, list[float]], queue: str) -> Sequence[float]:
    found: Sequence[float] = ()
    for key, each in numbers.items():
        if key.kind == "task" and key.name == queue:
            found = list(map(add, found, each)) if found else each
    return found


def counted(numbers: Sequence[float], seconds: float | None = None) -> dict[str, Any]:
    """The flat list of fleet.telemetry with names; `seconds` it took, for rates."""
    numbers = numbers or nothing()
    ran = sum(numbers[: RETRIED + 1])
    said = {
        "outcomes": dict(zip(OUTCOMES, map(int, numbers[: len(OUTCOMES)]), strict=True)),
        "ran": int(ran),
        "wall_seconds": round(numbers[WALL], 6),
        "cpu_seconds": round(numbers[CPU], 6),
        "duration": _distribution(numbers[DURATIONS:WAITS], numbers[WALL]),
        "wait": {
            **_distribution(numbers[WAITS:], numbers[WAITED]),
            "unknown": int(numbers[UNKNOWN_WAITS]),
            "negative": int(numbers[NEGATIVE_WAITS]),
        },
    }
    if seconds is not None:
        said["per_second"] = round(ran / seconds, 4) if seconds > 0 else 0.0
    return said


def _distribution(counts: Sequence[float], total_seconds: float) -> dict[str, Any]:
    quantiles = {name: quantile(counts, part) for name, part in QUANTILES}
    return {
        "count": int(sum(counts)),
        "sum_seconds": round(total_seconds, 6),
        "buckets": [int(each) for each in counts],
        **{name: None if value is None else round(value, 6) for name, value in quantiles.items()},
    }


def errors(
    found: Iterable[tuple[ErrorKey, ErrorGroup]], *, queue: str | None, task: str | None, since: float
) -> list[dict[str, Any]]:
    """Groups of errors, the latest first; of this queue and task as far as their example says."""
    chosen = [
        {
            "type": key.type,
            "place": key.place,
            "times": group.times,
            "first_at": group.first,
            "last_at": group.last,
            "example": {
                "id": group.example.id,
                "queue": group.example.queue,
                "task": group.example.task,
                "reason": group.example.reason,
                "traceback": group.example.traceback,
            },
        }
        for key, group in found
        if group.last >= since
        and (queue is None or group.example.queue == queue)
        and (task is None or group.example.task == task)
    ]
    return sorted(chosen, key=lambda each: -each["last_at"])
