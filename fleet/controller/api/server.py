"""The HTTP API on a Unix socket: what the CLI asks of a running controller. Errors are JSON too.

GET /status · GET /plan?file=…&env=… · POST /plan {"text"} · POST /reload (NDJSON until the rollout has ended)
GET /events?after=SEQUENCE (endless NDJSON)
POST /commands/VERB with a JSON object of arguments (commands.py; "restart" answers like reload)
POST /send with a JSON object (send.py)
GET of what there is to see: seeing.py
POST /schedules/run|pause|resume with a JSON object (schedules.py)

Who connects is known from the kernel: anybody but this user and root is turned away.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from fleet.controller.api import answers, schedules, seeing
from fleet.controller.api.commands import VERBS, CommandRefused, audit, execute, undone
from fleet.controller.api.commands import Request as Command
from fleet.controller.api.delayed import cancelled
from fleet.controller.api.reload import reload, restarted
from fleet.controller.api.send import Counter, NotSent
from fleet.controller.atomic_files import listen_private
from fleet.controller.observed.peers import peer_of
from fleet.controller.reconciler import Reconciler
from fleet.program_labels import dashboard
from fleet.visible import visible

ACTOR_HEADER = "x-fleet-actor"
_SHUTDOWN_SECONDS = 1
_LONGEST_ACTOR = 100


def application(reconciler: Reconciler) -> Starlette:
    counter = Counter(reconciler)

    command_of = partial(_command_of, reconciler)

    async def status(_: Request) -> Response:
        answer = await answers.status(reconciler)
        if answer is None:
            raise HTTPException(503, "the controller has no valid configuration yet")
        return JSONResponse(answer)

    async def start_reload(request: Request) -> Response:
        return _lines(reload(reconciler, command_of(request, "reload", {})))

    async def events(request: Request) -> Response:
        try:
            after = int(request.query_params.get("after", reconciler.log.sequence))
        except ValueError as error:
            raise HTTPException(400, "after: expected a whole number") from error
        return _lines(_as_dicts(reconciler, after))

    async def command(request: Request) -> Response:
        asked = command_of(request, _verb_of(request), await _object_of(request))
        told = reconciler.log.sequence
        try:
            said = execute(reconciler, asked)
        except CommandRefused as refusal:
            raise HTTPException(400, str(refusal)) from refusal
        if asked.verb == "restart":
            return _lines(restarted(reconciler, asked.arguments.get("group"), told))
        failed = await undone(reconciler, asked)
        if failed:
            audit(reconciler, asked, "ERROR", "; ".join(failed))
        return JSONResponse({"outcome": said, "failed": failed})

    async def schedule(request: Request) -> Response:
        verb = request.path_params["verb"]
        if verb not in schedules.VERBS:
            raise HTTPException(404, f"no command {verb!r}")
        asked = command_of(request, f"schedule-{verb}", await _object_of(request))
        known = reconciler.state.schedules_known
        try:
            done = await schedules.command(reconciler, known, verb, asked.arguments, asked.actor)
        except schedules.NotDone as problem:
            audit(reconciler, asked, "WARNING", f"refused: {problem}")
            raise HTTPException(problem.status, str(problem)) from problem
        audit(reconciler, asked, "INFO", done["outcome"])
        return JSONResponse(done)

    async def send(request: Request) -> Response:
        asked = await _object_of(request)
        try:
            sent = await counter.send(asked)
            given = {"task": asked["task"], "queue": sent["queue"], "ids": [sent["id"]]}
            audit(reconciler, command_of(request, "send", given), "INFO", f"sent {asked['task']}")
            return JSONResponse(sent)
        except NotSent as problem:
            raise HTTPException(problem.status, str(problem)) from problem

    async def cancel(request: Request) -> Response:
        asked = command_of(request, "cancel", await _object_of(request))
        return JSONResponse(await cancelled(reconciler, asked))

    return Starlette(
        routes=[
            Route("/status", status),
            *_plans(reconciler),
            Route("/reload", start_reload, methods=["POST"]),
            Route("/events", events),
            Route("/commands/{verb}", command, methods=["POST"]),
            Route("/send", send, methods=["POST"]),
            *seeing.routes(reconciler),
            Route("/delayed/cancel", cancel, methods=["POST"]),
            Route("/schedules/{verb}", schedule, methods=["POST"]),
        ],
        exception_handlers={HTTPException: _http_error, Exception: _internal_error},
    )


def _plans(reconciler: Reconciler) -> list[Route]:
    async def plan(request: Request) -> Response:
        query = request.query_params
        file = Path(query["file"]) if "file" in query else None
        if file is not None and "\0" in str(file):
            raise HTTPException(400, "file: no path holds a NUL")
        return JSONResponse(await answers.plan(reconciler, file, query.get("env")))

    async def plan_of_text(request: Request) -> Response:
        text = (await _object_of(request)).get("text")
        if not isinstance(text, str):
            raise HTTPException(400, "text: expected that of a fleet.toml")
        return JSONResponse(await answers.plan_of_text(reconciler, text))

    return [Route("/plan", plan), Route("/plan", plan_of_text, methods=["POST"])]


async def _object_of(request: Request) -> dict[str, Any]:
    try:
        arguments = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise HTTPException(400, f"the arguments are no JSON: {error}") from error
    if not isinstance(arguments, dict):
        raise HTTPException(400, "the arguments are no JSON object")
    return arguments


def _verb_of(request: Request) -> str:
    verb: str = request.path_params["verb"]
    if verb not in VERBS:
        raise HTTPException(404, f"no command {verb!r}")
    return verb


def _command_of(reconciler: Reconciler, request: Request, verb: str, arguments: dict[str, Any]) -> Command:
    assert request.client is not None  # see _Protocol
    actor, pid = request.client.host, request.client.port
    return Command(verb, arguments, actor=_web_actor(reconciler, request, pid) or actor, pid=pid)


def _web_actor(reconciler: Reconciler, request: Request, pid: int) -> str | None:
    """Whom the dashboard asks for: believed of its process and of no other."""
    if reconciler.observation is None or ACTOR_HEADER not in request.headers:
        return None
    program = dashboard(reconciler.observation.snapshot.programs)
    if program is None or not pid or program.pid != pid:
        return None
    return visible(request.headers[ACTOR_HEADER][:_LONGEST_ACTOR])


async def _as_dicts(reconciler: Reconciler, after: int) -> AsyncIterator[dict[str, Any]]:
    async for event in reconciler.log.follow(after):
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


async def serve(reconciler: Reconciler, socket: Path) -> None:
    """Until cancelled. Raises OSError when the socket can't be made."""
    config = uvicorn.Config(
        application(reconciler),
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
