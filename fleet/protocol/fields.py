"""Headers and decoded body, checked: each function gives a value, or a reason to refuse the message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fleet.protocol.payload import MalformedMessage

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
    canvas = [name for name in NO_CANVAS if (embed or {}).get(name)]
    if canvas:
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
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise MalformedMessage(f"the `retries` header must be a number from 0, got {value!r}")


def limits(value: Any) -> tuple[float | None, float | None]:
    """[hard, soft] as (hard, soft)."""
    if value is None:
        return None, None
    if isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_is_limit, value)):
        return value[0], value[1]
    raise MalformedMessage(f"the `timelimit` header must be [hard, soft] in seconds, got {value!r}")


def _is_limit(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def from_iso(name: str, value: Any) -> float | None:
    if not value:
        return None
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (TypeError, ValueError, OverflowError):
        raise MalformedMessage(f"the `{name}` header must be an ISO 8601 time, got {value!r}") from None


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
