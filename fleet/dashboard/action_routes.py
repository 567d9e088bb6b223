"""Routes of what the page does: logins, and commands to the controller."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fleet import __version__
from fleet.dashboard.access import COOKIE, Access, Person
from fleet.dashboard.controller_client import ControllerAnswer, ControllerClient, ControllerGone
from fleet.dashboard.request_body import object_of, text_of
from fleet.dashboard.shown import shown
from fleet.dashboard.tokens import SESSION_SECONDS
from fleet.dashboard.view_routes import ViewRoutes
from fleet.launch_specs import DashboardLaunch

COMMANDS = ("scale", "drain", "pause", "resume", "restart")
SCHEDULE_VERBS = ("run", "pause", "resume")
_PATIENCE_SECONDS = 3.0  # for answers that go on until a rollout has ended


class ActionRoutes:
    """POST of everything but dead letters. Shapes: docs/reference/api.md."""

    def __init__(
        self, launch: DashboardLaunch, access: Access, controller: ControllerClient, views: ViewRoutes
    ) -> None:
        self._launch = launch
        self._access = access
        self._controller = controller
        self._views = views

    def routes(self) -> list[Route]:
        def post(path: str, handler: Callable[[Request], Awaitable[Response]]) -> Route:
            return Route(path, handler, methods=["POST"])

        return [
            Route("/api/session", self._session),
            post("/api/login", self._login),
            post("/api/logout", self._logout),
            *(post(f"/api/commands/{verb}", partial(self._command, verb)) for verb in COMMANDS),
            *(post(f"/api/schedules/{verb}", partial(self._schedule, verb)) for verb in SCHEDULE_VERBS),
            post("/api/reload", self._reload),
            post("/api/plan", self._plan),
            post("/api/delayed/cancel", self._cancel),
        ]

    async def _session(self, request: Request) -> Response:
        person = self._access.person(request)
        return JSONResponse(
            {
                "fleet": self._launch.fleet,
                "version": __version__,
                "name": person.name if person else "",
                "role": person.role if person else None,
                "arguments": self._views.arguments_for(person) if person else "hidden",
                "tokens": bool(self._access.tokens.tokens()),
            }
        )

    async def _login(self, request: Request) -> Response:
        asked = await object_of(request)
        address, https = self._access.proxies.client(request.scope)
        secret, code = text_of(asked, "token"), text_of(asked, "code")
        if not (secret or code):
            raise HTTPException(400, "token or code: expected one of them")
        try:
            token = self._access.attempt(request, secret, code)
        except HTTPException as refusal:
            await self._controller.note(
                "login", f"refused: {refusal.detail}", {"address": address}, actor="web:?"
            )
            raise
        if token.role == "metrics":
            raise HTTPException(403, "this token is for metrics only")
        person = Person(token.name, token.role)
        await self._controller.note(
            "login", f"logged in as {token.role}", {"address": address}, actor=person.actor
        )
        answer = JSONResponse({"name": token.name, "role": token.role})
        answer.set_cookie(
            COOKIE,
            self._access.tokens.session(token, time.time()),
            max_age=SESSION_SECONDS,
            path=self._launch.root_path or "/",
            httponly=True,
            samesite="strict",
            secure=https,
        )
        return answer

    async def _logout(self, request: Request) -> Response:
        await object_of(request)
        answer = JSONResponse({})
        answer.delete_cookie(COOKIE, path=self._launch.root_path or "/")
        return answer

    async def _command(self, verb: str, request: Request) -> Response:
        person = self._access.operator(request)
        seconds = _PATIENCE_SECONDS if verb == "restart" else 15.0
        return await self._passed_on(person, f"/commands/{verb}", await object_of(request), seconds)

    async def _schedule(self, verb: str, request: Request) -> Response:
        person = self._access.operator(request)
        return await self._passed_on(person, f"/schedules/{verb}", await object_of(request))

    async def _reload(self, request: Request) -> Response:
        person = self._access.operator(request)
        await object_of(request)
        return await self._passed_on(person, "/reload", {}, _PATIENCE_SECONDS)

    async def _plan(self, request: Request) -> Response:
        """Of a draft; a file of the host is not asked for here."""
        person = self._access.operator(request)
        asked = {"text": text_of(await object_of(request), "text")}
        return await self._passed_on(person, "/plan", asked)

    async def _cancel(self, request: Request) -> Response:
        person = self._access.operator(request)
        return await self._passed_on(person, "/delayed/cancel", await object_of(request))

    async def _passed_on(
        self, person: Person, path: str, asked: dict[str, Any], seconds: float = 15.0
    ) -> Response:
        try:
            answer = await self._controller.post(path, asked, actor=person.actor, seconds=seconds)
        except ControllerGone as error:
            raise HTTPException(502, str(error)) from error
        return JSONResponse(shown(_value(answer)), status_code=answer.status)


def _value(answer: ControllerAnswer) -> Any:
    """JSON; of an answer in lines the last of them."""
    if "ndjson" not in answer.content_type:
        return answer.json()
    lines = answer.body.splitlines()
    return {"outcome": "begun", "last": json.loads(lines[-1]) if lines else None}
