"""Routes of what the page shows of the controller and of log files; many tabs share one question."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from fleet.dashboard.access import Access, Person
from fleet.dashboard.controller_client import ControllerClient, ControllerGone, Shared
from fleet.dashboard.shown import shown
from fleet.launch_specs import DashboardLaunch
from fleet.log_files import last_lines, select
from fleet.statedir import StateDir

PASSED = (
    "status",
    "statistics",
    "history",
    "errors",
    "running",
    "alerts",
    "delayed",
    "stacks",
    "schedules",
    "route",
)
"""Answers of the controller that go to the page as they are."""
_EVENT_SECONDS = 1.0
_MOST_STREAMS = 200
_MOST_LINES = 1000


class ViewRoutes:
    """GET of everything but dead letters. Shapes: docs/reference/api.md."""

    def __init__(self, launch: DashboardLaunch, access: Access, controller: ControllerClient) -> None:
        self._launch = launch
        self._access = access
        self._controller = controller
        self._state = StateDir(Path(launch.state_dir))
        self._shared = Shared()
        self._streams = 0
        self.beside: Callable[[], dict[str, Any]] = dict  # what each live answer says besides

    def routes(self) -> list[Route]:
        return [
            Route("/api/live", self._live),
            Route("/api/logs", self._logs),
            Route("/api/history/events", self._events),
            Route("/api/history/series", self._passed("history/series")),
            Route("/api/messages/{id:path}", self._message),
            *(Route(f"/api/{name}", self._passed(name)) for name in PASSED),
            Route("/api/plan", self._plan),
            Route("/metrics", self._metrics),
        ]

    def arguments_for(self, person: Person) -> str:
        """How much of arguments they are shown."""
        return self._launch.arguments if person.name else "hidden"

    def _passed(self, name: str) -> Callable[[Request], Awaitable[Response]]:
        async def get(request: Request) -> Response:
            person = (self._access.known if name == "stacks" else self._access.viewer)(request)
            query = f"?{request.url.query}" if request.url.query else ""
            return await self._answer(person, f"/{name}{query}")

        return get

    async def _plan(self, request: Request) -> Response:
        """Of the fleet's own file: findings quote lines, and another file may be anything on this machine."""
        person = self._access.viewer(request)
        env = request.query_params.get("env")
        return await self._answer(person, "/plan" if env is None else f"/plan?env={quote(env, safe='')}")

    async def _events(self, request: Request) -> Response:
        person = self._access.viewer(request)
        return await self._answer(person, f"/history/events?{request.url.query}")

    async def _message(self, request: Request) -> Response:
        person = self._access.viewer(request)
        return await self._answer(person, f"/messages/{quote(request.path_params['id'], safe='')}")

    async def _answer(self, person: Person, path: str) -> Response:
        arguments = self.arguments_for(person)

        async def make() -> tuple[int, Any]:
            answer = await self._controller.get(quote(path, safe="/?=&%,:._~-"))
            return answer.status, shown(answer.json(), arguments)

        try:
            status, value = await self._shared.get(f"{arguments} {path}", make)
        except ControllerGone as error:
            raise HTTPException(502, str(error)) from error
        return JSONResponse(value, status_code=status)

    async def _live(self, request: Request) -> Response:
        self._access.viewer(request)
        if self._streams >= _MOST_STREAMS:
            raise HTTPException(503, f"{self._streams} pages look at this already")
        return StreamingResponse(self._stream(request), media_type="text/event-stream")

    async def _stream(self, request: Request) -> AsyncIterator[str]:
        self._streams += 1
        try:
            while True:
                try:
                    self._access.viewer(request)  # a session may have ended meanwhile
                except HTTPException:
                    yield "event: ended\ndata: {}\n\n"
                    return
                yield f"data: {await self._shared.get('live', self._look)}\n\n"
                await asyncio.sleep(_EVENT_SECONDS)
        finally:
            self._streams -= 1

    async def _look(self) -> str:
        """The state of everything, as JSON; or why there is none."""
        said: dict[str, Any] = {"at": time.time(), **self.beside()}
        try:
            paths = {"status": "/status", "statistics": "/statistics", "alerts": "/alerts"}
            answers = await asyncio.gather(*(self._controller.get(path) for path in paths.values()))
            for name, answer in zip(paths, answers, strict=True):
                value = answer.json()
                if answer.status != 200:
                    raise ControllerGone(value.get("error", "the controller has no answer"))
                said[name] = shown(_lean(value) if name == "statistics" else value)
        except (ControllerGone, ValueError) as error:
            said = {"at": said["at"], **self.beside(), "error": str(error)}
        return json.dumps(said)

    async def _logs(self, request: Request) -> Response:
        self._access.known(request)
        wanted = request.query_params.get("of") or None
        count = request.query_params.get("lines", "200")
        if not count.isdecimal() or not 0 < int(count) <= _MOST_LINES:
            raise HTTPException(400, f"lines: expected a number up to {_MOST_LINES}, got {count!r}")

        async def make() -> list[dict[str, str]]:
            lines = await asyncio.to_thread(last_lines, self._state.logs, select(wanted), int(count))
            return [{"of": line.slot, "line": line.text} for line in lines]

        return JSONResponse({"lines": shown(await self._shared.get(f"logs {wanted} {count}", make))})

    async def _metrics(self, request: Request) -> Response:
        self._access.reader_of_metrics(request)
        accept = request.headers.get("accept", "")
        try:
            answer = await self._controller.get("/metrics", accept=accept.replace("\n", " "))
        except ControllerGone as error:
            raise HTTPException(502, str(error)) from error
        return Response(answer.body, answer.status, media_type=answer.content_type)


def _lean(statistics: dict[str, Any]) -> dict[str, Any]:
    """Without histograms, which only the page of a task shows."""
    for kind in ("tasks", "queues", "groups"):
        for each in statistics.get(kind, ()):
            for span in ("total", "window"):
                for what in ("duration", "wait"):
                    each[span][what].pop("buckets", None)
    return statistics
