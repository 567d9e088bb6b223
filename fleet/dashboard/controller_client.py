"""The controller's answers over its Unix socket, shared: what twenty tabs ask within a second is asked once."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

_ANSWER_SECONDS = 15.0
_FRESH_SECONDS = 0.9
_MOST_KEPT = 256
_LINE_BYTES = 1 << 16


class ControllerGone(ConnectionError):  # noqa: N818
    """Nobody answers on the controller's socket."""


class ControllerAnswer(NamedTuple):
    """`body` is JSON, but for metrics; of an answer without end, what came in time."""

    status: int
    content_type: str
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class ControllerClient:
    """One connection a question, so that it survives the controller's restart."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def get(self, path: str, *, accept: str = "application/json") -> ControllerAnswer:
        """Raises ControllerGone."""
        return await self._ask("GET", path, b"", {"Accept": accept}, _ANSWER_SECONDS)

    async def post(
        self, path: str, arguments: dict[str, Any], *, actor: str, seconds: float = _ANSWER_SECONDS
    ) -> ControllerAnswer:
        """On behalf of `actor`. Raises ControllerGone."""
        headers = {"X-Fleet-Actor": actor, "Content-Type": "application/json"}
        return await self._ask("POST", path, json.dumps(arguments).encode(), headers, seconds)

    async def note(self, verb: str, outcome: str, arguments: dict[str, Any], *, actor: str) -> bool:
        """Into the event log; whether it is there."""
        try:
            answer = await self.post(f"/commands/{verb}", {**arguments, "outcome": outcome}, actor=actor)
        except ControllerGone:
            return False
        return answer.status == 200

    async def _ask(
        self, method: str, path: str, content: bytes, headers: dict[str, str], seconds: float
    ) -> ControllerAnswer:
        lines = [f"{method} {path} HTTP/1.0", "Host: fleet", f"Content-Length: {len(content)}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        try:
            reader, writer = await asyncio.open_unix_connection(str(self._socket))
        except OSError as error:
            raise ControllerGone(f"no controller answers: {error.strerror or error}") from error
        try:
            writer.write("\r\n".join([*lines, "", ""]).encode("latin-1", "replace") + content)
            return await _read(reader, time.monotonic() + seconds)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            raise ControllerGone(f"the controller did not answer: {error or type(error).__name__}") from error
        finally:
            writer.close()


async def _read(reader: asyncio.StreamReader, deadline: float) -> ControllerAnswer:
    async with asyncio.timeout(deadline - time.monotonic()):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split()[1])
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:])}
    kind = headers.get("content-type", "")
    body = b""
    try:
        async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
            while data := await reader.read(_LINE_BYTES):
                body += data
    except TimeoutError:
        if "ndjson" not in kind:
            raise
    return ControllerAnswer(status, kind, body)


class Shared:
    """Values by name, each made once in a while however many ask. Belongs to the event loop."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, asyncio.Future[Any]]] = {}

    async def get(
        self, name: str, make: Callable[[], Awaitable[Any]], fresh_seconds: float = _FRESH_SECONDS
    ) -> Any:
        """What `make` gives, or gave a moment ago. Raises what it raises."""
        now = time.monotonic()
        began, future = self._kept.get(name, (0.0, None))
        if future is None or (future.done() and now - began > fresh_seconds):
            if len(self._kept) > _MOST_KEPT:
                self._kept = {key: kept for key, kept in self._kept.items() if not kept[1].done()}
            future = asyncio.ensure_future(make())
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._kept[name] = (now, future)
        return await asyncio.shield(future)
