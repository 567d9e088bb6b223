"""The body of a request of the page: a JSON object of at most a megabyte."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request

_MOST_BYTES = 1 << 20


async def object_of(request: Request) -> dict[str, Any]:
    """Raises HTTPException: 413 for more than that, 400 for what is no object."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise HTTPException(413, "too much")
    try:
        asked = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"this is no JSON: {error}") from error
    if not isinstance(asked, dict):
        raise HTTPException(400, "expected a JSON object")
    return asked


def text_of(asked: dict[str, Any], name: str) -> str:
    """ "" where it is not said. Raises HTTPException for anything but a text."""
    value = asked.get(name, "")
    if not isinstance(value, str):
        raise HTTPException(400, f"{name}: expected a text")
    return value
