"""Celery's message protocol 1, whose headers lie in the body: as protocol 2. Pure.

The same conversion as in `celery/worker/strategy.py` (proto1_to_proto2, hybrid_to_proto2).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fleet.protocol import payload
from fleet.protocol.words import MalformedMessage

_FIELDS = ("lang", "task", "id", "root_id", "parent_id", "shadow", "eta", "expires", "timelimit", "origin")
_EMBED = ("callbacks", "errbacks", "chord")
_MOST_LIFTED = 1024 * 1024  # bytes of a body that are looked into for a name


def to_version2(body: Mapping[str, Any], headers: Mapping[str, Any]) -> tuple[dict[str, Any], list[Any]]:
    """Headers and body of protocol 2. Raises MalformedMessage."""
    args, kwargs = body.get("args", ()), body.get("kwargs", {})
    if not isinstance(kwargs, dict):
        raise MalformedMessage("kwargs must be an object")
    lifted = {name: body.get(name) for name in _FIELDS}
    lifted["retries"] = body.get("retries") or 0
    lifted["group"] = body.get("group") or body.get("taskset")
    lifted["argsrepr"], lifted["kwargsrepr"] = repr(args)[:1024], repr(kwargs)[:1024]
    given = {name: value for name, value in headers.items() if value is not None}
    return {**lifted, **given}, [args, kwargs, {**{name: body.get(name) for name in _EMBED}, "chain": None}]


def lifted_headers(headers: Mapping[str, Any], body: bytes, content_type: str) -> dict[str, Any]:
    """What a loop must know of such a message before anybody decodes it (name, id, eta, limits); {} of any other."""
    if "task" in headers or len(body) > _MOST_LIFTED or content_type != "application/json":
        return {}
    try:
        value = payload.loads(body.decode())
        if not (isinstance(value, dict) and isinstance(value.get("task"), str)):
            return {}
        found, _ = to_version2(value, headers)
    except MemoryError:
        raise
    except Exception:  # whoever decodes it will say what is wrong with it
        return {}
    return found
