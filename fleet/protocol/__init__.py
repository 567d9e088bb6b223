"""Message ⇄ bytes: Celery's message protocol 2 (celery/app/amqp.py, as_task_v2).

Pure: no broker, no clock of its own beyond the arguments. Imports nothing of fleet outside this package.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fleet.protocol import fields, payload
from fleet.protocol.words import MalformedMessage

__all__ = ["MOST_BYTES", "Call", "Encoded", "MalformedMessage", "decode", "encode"]

MOST_BYTES = 128 * 1024 * 1024  # of one body; RabbitMQ, before 4.0, takes no more by default
_LONGEST_REPR = 1024  # argsrepr and kwargsrepr are for people; Celery cuts at the same length


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a task: what protocol 2 carries. Times are POSIX timestamps in seconds."""

    id: str
    task: str
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)
    retries: int = 0
    eta: float | None = None
    expires: float | None = None
    time_limit: float | None = None
    soft_time_limit: float | None = None
    root_id: str | None = None
    parent_id: str | None = None
    reply_to: str | None = None
    sent: float | None = None
    trace: Mapping[str, str] = field(default_factory=dict)  # headers of W3C's trace context


class Encoded(NamedTuple):
    """A message ready for `basic_publish`."""

    body: bytes
    headers: dict[str, Any]
    properties: dict[str, Any]
    content_type: str = "application/json"
    content_encoding: str = "utf-8"


def encode(call: Call, *, origin: str = "") -> Encoded:
    """Raises TypeError, naming the task and the argument, when an argument is not JSON-serialisable."""
    try:
        body = payload.dumps([call.args, call.kwargs, fields.NO_CANVAS])
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{call.task}: {_culprit(call) or error}") from error
    headers: dict[str, Any] = {
        "lang": "py",
        "task": call.task,
        "id": call.id,
        "shadow": None,
        "eta": fields.to_iso(call.eta),
        "expires": fields.to_iso(call.expires),
        "group": None,
        "group_index": None,
        "retries": call.retries,
        "timelimit": [call.time_limit, call.soft_time_limit],
        "root_id": call.root_id or call.id,
        "parent_id": call.parent_id,
        "argsrepr": _short(repr(call.args)),
        "kwargsrepr": _short(repr(call.kwargs)),
        "origin": origin,
        "ignore_result": False,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
    if call.sent is not None:
        headers[fields.SENT_HEADER] = int(call.sent * 1000)
    headers |= call.trace
    properties = {"correlation_id": call.id, "reply_to": call.reply_to or "", "delivery_mode": 2}
    return Encoded(body.encode(), headers, properties)


def decode(
    message: payload.Content,
    *,
    accept: tuple[str, ...],
    most_bytes: int = MOST_BYTES,
) -> Call:
    """Raises MalformedMessage with a reason a person can act on; nothing else.

    `accept` holds serializer names ("json") or content types. A message without content type counts as JSON. A body
    of more than `most_bytes`, decompressed, is refused.
    """
    headers = message.headers
    value = payload.load(message, accept=accept, most=most_bytes)
    task = fields.text(headers, "task", value)
    args, kwargs = fields.arguments(value)
    time_limit, soft_time_limit = fields.limits(headers.get("timelimit"))
    return Call(
        id=fields.text(headers, "id", value),
        task=task,
        args=args,
        kwargs=kwargs,
        retries=fields.retries(headers.get("retries")),
        eta=fields.from_iso("eta", headers.get("eta")),
        expires=fields.from_iso("expires", headers.get("expires")),
        time_limit=time_limit,
        soft_time_limit=soft_time_limit,
        root_id=fields.optional(headers.get("root_id")),
        parent_id=fields.optional(headers.get("parent_id")),
        reply_to=fields.optional(headers.get("reply_to")),
    )


def _culprit(call: Call) -> str:
    """Which argument can't be sent, and why; "" when each one by itself can."""
    named = [(f"argument {position}", value) for position, value in enumerate(call.args, 1)]
    for name, value in named + [(f"argument {name!r}", value) for name, value in call.kwargs.items()]:
        try:
            payload.dumps(value)
        except (TypeError, ValueError, RecursionError) as error:
            return f"{name} is not JSON-serialisable: {error}"
    return ""


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_REPR else text[: _LONGEST_REPR - 3] + "..."
