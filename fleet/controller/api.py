"""The HTTP API on a Unix socket: what the CLI asks of a running controller. Errors are JSON too.

GET /status · GET /plan?file=…&env=… · POST /reload (NDJSON until the rollout has ended)
GET /events?after=SEQUENCE (endless NDJSON)
POST /commands/VERB with a JSON object of arguments (commands.py; "restart" answers like reload)
POST /send with a JSON object (sending.py)

Who connects is known from the kernel: anybody but this user and root is turned away.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from fleet.controller import answers
from fleet.controller.brain import Brain
from fleet.controller.commands import VERBS, Refused, execute
from fleet.controller.commands import Request as Command
from fleet.controller.files import listen_private
from fleet.controller.peers import peer_of
from fleet.controller.reloading import reload, restarted
from fleet.controller.sending import Counter, NotSent

_SHUTDOWN_SECONDS = 1


def application(brain: Brain) -> Starlette:
    counter = Counter(brain)

    async def status(_: Request) -> Response:
        answer = await answers.status(brain)
        if answer is None:
            raise HTTPException(503, "the controller has no valid configuration yet")
        return JSONResponse(answer)

    async def plan(request: Request) -> Response:
        query = request.query_params
        file = Path(query["file"]) if "file" in query else None
        return JSONResponse(await answers.plan(brain, file, query.get("env")))

    async def start_reload(request: Request) -> Response:
        return _lines(reload(brain, _command(request, "reload", {})))

    async def events(request: Request) -> Response:
        try:
            after = int(request.query_params.get("after", brain.log.sequence))
        except ValueError as error:
            raise HTTPException(400, "after: expected a whole number") from error
        return _lines(_as_dicts(brain, after))

    async def command(request: Request) -> Response:
        asked = await _request_of(request)
        told = brain.log.sequence
        try:
            said = execute(brain, asked)
        except Refused as refusal:
            raise HTTPException(400, str(refusal)) from refusal
        if asked.verb == "restart":
            return _lines(restarted(brain, asked.arguments.get("group"), told))
        return JSONResponse({"outcome": said})

    async def send(request: Request) -> Response:
        try:
            return JSONResponse(await counter.send(await _object_of(request)))
        except NotSent as problem:
            raise HTTPException(problem.status, str(problem)) from problem

    return Starlette(
        routes=[
            Route("/status", status),
            Route("/plan", plan),
            Route("/reload", start_reload, methods=["POST"]),
            Route("/events", events),
            Route("/commands/{verb}", command, methods=["POST"]),
            Route("/send", send, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _internal_error},
    )


async def _request_of(request: Request) -> Command:
    verb = request.path_params["verb"]
    if verb not in VERBS:
        raise HTTPException(404, f"no command {verb!r}")
    return _command(request, verb, await _object_of(request))


async def _object_of(request: Request) -> dict[str, Any]:
    try:
        arguments = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise HTTPException(400, f"the arguments are no JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise HTTPException(400, "the arguments are no JSON object")
    return arguments


def _command(request: Request, verb: str, arguments: dict[str, Any]) -> Command:
    assert request.client is not None  # see _Protocol
    return Command(verb, arguments, actor=request.client.host, pid=request.client.port)


async def _as_dicts(brain: Brain, after: int) -> AsyncIterator[dict[str, Any]]:
    async for event in brain.log.follow(after):
        yield event.to_dict()


def _lines(objects: AsyncIterator[dict[str, Any]]) -> StreamingResponse:
    async def encode() -> AsyncIterator[str]:
        async for each in objects:
            yield json.dumps(each) + "\n"

    return StreamingResponse(encode(), media_type="application/x-ndjson")


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, status_code=error.status_code)


async def _internal_error(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"this is a bug in fleet: {error!r}"}, status_code=500)


class _Protocol(H11Protocol):
    """Turns strangers away; others are known to requests as client (name, pid)."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        try:
            peer = peer_of(transport.get_extra_info("socket"))
        except OSError:
            transport.abort()
            return
        self.client = (peer.name, peer.pid)
        if not peer.may_command:
            transport.abort()


class _Server(uvicorn.Server):
    """Signals are the controller's business, and it is cancelled when it shall end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def main_loop(self) -> None:
        # uvicorn's own wakes ten times a second to look whether to end, and for a Date header: a fifth of what a
        # controller at rest cost.
        await self.on_tick(0)
        await asyncio.Event().wait()


async def serve(brain: Brain, socket: Path) -> None:
    """Until cancelled. Raises OSError when the socket can't be made."""
    config = uvicorn.Config(
        application(brain),
        log_config=None,
        date_header=False,
        access_log=False,
        lifespan="off",
        ws="none",
        http=_Protocol,
        timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
    )
    server = _Server(config)
    listener = listen_private(socket)
    try:
        await server.serve(sockets=[listener])
    except asyncio.CancelledError:
        server.should_exit = True
        raise
    finally:
        listener.close()
