"""A delivery as Celery's tracer wants it: name, id, arguments, and the request that a task sees.

The fields of the request are those of `celery/worker/request.py` and `celery/app/trace.py` (trace_task_ret), with the
embedded canvas last. What the app's `accept_content` does not allow is refused. Messages of protocol 1, whose headers
lie in the body, become ones of protocol 2.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from fleet.broker.delivery import Delivery
from fleet.broker.reposting import AGAIN_HEADER, CRASHES_HEADER
from fleet.protocol import MalformedMessage, fields, payload
from fleet.protocol.version1 import to_version2

_BEFORE = (AGAIN_HEADER, CRASHES_HEADER)  # it was published again, and had been handed out
_NO_CANVAS = dict(fields.NO_CANVAS)


class Called(NamedTuple):
    """One call of a task."""

    name: str
    id: str
    args: Any  # a list or tuple
    kwargs: dict[str, Any]
    embed: dict[str, Any]
    headers: dict[str, Any]


def read(delivery: Delivery, accept: tuple[str, ...], most_bytes: int) -> Called:
    """Raises MalformedMessage."""
    headers = delivery.headers
    value = payload.load(delivery, accept=accept, most=most_bytes, strict=False)
    if isinstance(value, dict) and ("args" in value or "task" in value):
        headers, value = to_version2(value, headers)
    args, kwargs, embed = _parts(value)
    return Called(
        fields.text(headers, "task", None), fields.text(headers, "id", None), args, kwargs, embed, headers
    )


def _parts(value: Any) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    if not isinstance(value, list | tuple) or len(value) != 3:
        raise MalformedMessage(f"the body must be [args, kwargs, embed], got {type(value).__name__}")
    args, kwargs, embed = value
    if not isinstance(args, list | tuple):
        raise MalformedMessage(f"args (body[0]) must be a list, got {type(args).__name__}")
    if not isinstance(kwargs, dict):
        raise MalformedMessage(f"kwargs (body[1]) must be an object, got {type(kwargs).__name__}")
    if embed is not None and not isinstance(embed, dict):
        raise MalformedMessage(f"embed (body[2]) must be an object or null, got {type(embed).__name__}")
    return args, kwargs, embed or _NO_CANVAS


def request_of(called: Called, delivery: Delivery, node_name: str) -> dict[str, Any]:
    """What becomes `task.request`."""
    properties = delivery.properties
    return {
        **called.headers,
        "properties": properties,
        "reply_to": properties.get("reply_to"),
        "correlation_id": properties.get("correlation_id"),
        "delivery_info": delivery_info(delivery),
        "args": called.args,
        "kwargs": called.kwargs,
        "hostname": node_name,
        "is_eager": False,
        **called.embed,
    }


def delivery_info(delivery: Delivery) -> dict[str, Any]:
    """Of a message that came by a delay of fleet's, its own queue stands for where it was sent to."""
    given = delivery.properties.get("delivery_info")
    where: Mapping[str, Any] = given if isinstance(given, dict) else {}
    return {
        "exchange": where.get("exchange") or "",
        "routing_key": where.get("routing_key") or delivery.queue,
        "priority": where["priority"] if "priority" in where else delivery.properties.get("priority"),
        "redelivered": delivery.redelivered or any(name in delivery.headers for name in _BEFORE),
    }
