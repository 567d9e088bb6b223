"""Headers and decoded body, checked: each function gives a value, or a reason to refuse the message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fleet.protocol.words import MalformedMessage, shown

SENT_HEADER = "sent"  # fleet's own, in milliseconds since the epoch: when it was handed to the broker
MOST_RETRIES = 2**31 - 1  # what any broker can keep in a header
LONGEST_SECONDS = 10 * 365 * 86400.0  # of a time limit: clocks and timers of all kinds take that
BAD = object()
NO_LIMITS = [None, None]
NO_CANVAS = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def arguments(payload: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not isinstance(payload, (list, tuple)) or len(payload) != 3:
        raise MalformedMessage(f"the body must be [args, kwargs, embed], got {_describe(payload)}")
    args, kwargs, embed = payload
    if not isinstance(args, (list, tuple)):
        raise MalformedMessage(f"args (body[0]) must be a list, got {_describe(args)}")
    if not isinstance(kwargs, dict) or not all(isinstance(name, str) for name in kwargs):
        raise MalformedMessage(f"kwargs (body[1]) must be an object with text keys, got {_describe(kwargs)}")
    if embed is not None and not isinstance(embed, dict):
        raise MalformedMessage(f"embed (body[2]) must be an object or null, got {_describe(embed)}")
    # Running only the first link of a chain and dropping the rest would be a silent loss.
    if embed and embed != NO_CANVAS and (canvas := [name for name in NO_CANVAS if embed.get(name)]):
        raise MalformedMessage(
            f"the message carries {', '.join(canvas)}: fleet's tasks don't run Celery's canvas"
        )
    return tuple(args), kwargs


def text(headers: Mapping[str, Any], name: str, payload: Any) -> str:
    value = headers.get(name)
    if isinstance(value, str) and value:
        return value
    if isinstance(payload, dict) and "task" in payload:
        raise MalformedMessage(
            "Celery message protocol 1 (the task is named in the body): "
            "fleet reads protocol 2, set task_protocol = 2 in the sender"
        )
    if value is None:
        raise MalformedMessage(f"no `{name}` header: not a Celery protocol 2 message")
    raise MalformedMessage(f"the `{name}` header must be text, got {_describe(value)}")


def retries(value: Any) -> int:
    if value is None:
        return 0
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MOST_RETRIES:
        return value
    raise MalformedMessage(f"the `retries` header must be a number from 0, got {shown(value)}")


def limits(value: Any) -> tuple[float | None, float | None]:
    """[hard, soft] as (hard, soft), in seconds; 0 and more than LONGEST_SECONDS are no limit that can be set."""
    if value is None or value == NO_LIMITS:
        return None, None
    if isinstance(value, (list, tuple)) and len(value) == 2:
        hard, soft = map(limit, value)
        if hard is not BAD and soft is not BAD:
            return hard, soft  # type: ignore[return-value]
    raise MalformedMessage(f"the `timelimit` header must be [hard, soft] in seconds, got {shown(value)}")


def limit(value: Any) -> float | object | None:
    """Seconds, at most LONGEST_SECONDS; None for none; BAD for what is no number from 0."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:  # NaN is not, either
        return BAD
    return float(min(value, LONGEST_SECONDS))


def from_iso(name: str, value: Any) -> float | None:
    if not value:
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        raise MalformedMessage(f"the `{name}` header must be an ISO 8601 time, got {shown(value)}") from None


def to_iso(timestamp: float | None) -> str | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC).isoformat()


def optional(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _describe(value: Any) -> str:
    names = {
        type(None): "null",
        dict: "an object",
        str: "text",
        bool: "a boolean",
        int: "a number",
        float: "a number",
    }
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    return names.get(type(value), type(value).__name__)
