"""Routes of the page for dead letters: looked at, revealed, and dealt with one by one or in bulk."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fleet.broker.delivery import BrokerUnavailable
from fleet.dashboard.access import Access
from fleet.dashboard.bulk import AUDITED, BulkJob, BulkJobs, BulkOrder, Busy
from fleet.dashboard.controller_client import ControllerClient, Shared
from fleet.dashboard.letters import LetterFilter, one, page, with_arguments
from fleet.dashboard.request_body import object_of, text_of
from fleet.dashboard.shown import shown
from fleet.dashboard.view_routes import ViewRoutes

STEERING = ("stop", "go")
_MOST_LETTERS = 200
_MOST_NUMBER = 2**53  # larger ones are not exact in a browser
_PATIENCE_SECONDS = 3.0  # for a job: short ones have ended by then


class DeadRoutes:
    """Shapes: docs/reference/api.md."""

    def __init__(
        self, routing_file: Path, access: Access, controller: ControllerClient, views: ViewRoutes
    ) -> None:
        self._routing_file = routing_file
        self._access = access
        self._controller = controller
        self._views = views
        self._shared = Shared()
        # Of two who look into a queue of RabbitMQ each sees what the other doesn't.
        self._looking = asyncio.Lock()
        self.jobs = BulkJobs(routing_file, self._note_job)

    def routes(self) -> list[Route]:
        return [
            Route("/api/dead", self._dead),
            Route("/api/dead/letters/{id:path}", self._letter),
            Route("/api/dead/reveal", self._reveal, methods=["POST"]),
            Route("/api/dead/jobs/all", self._jobs),
            Route("/api/dead/jobs", self._start, methods=["POST"]),
            *(
                Route(f"/api/dead/jobs/{{id}}/{verb}", partial(self._steer, verb), methods=["POST"])
                for verb in STEERING
            ),
        ]

    async def _dead(self, request: Request) -> Response:
        person = self._access.viewer(request)
        query = request.query_params
        wanted = _filter({**query, "ids": query.getlist("id")})
        offset, limit = _whole(query.get("offset", "0")), min(_whole(query.get("limit", "50")), _MOST_LETTERS)

        async def make() -> Any:
            return await self._look(partial(page, self._routing_file, wanted, offset, limit))

        found = await self._shared.get(repr((wanted, offset, limit)), make, fresh_seconds=2.0)
        return JSONResponse(shown(found, self._views.arguments_for(person)))

    async def _letter(self, request: Request) -> Response:
        person = self._access.viewer(request)
        found = await self._one(request.path_params["id"])
        return JSONResponse(shown(found, self._views.arguments_for(person)))

    async def _reveal(self, request: Request) -> Response:
        """As a GET of it, with nothing masked."""
        person = self._access.operator(request)
        ident = text_of(await object_of(request), "id")
        found = await self._one(ident)
        await self._controller.note(
            "reveal", f"saw the arguments of {ident}", {"ids": [ident]}, actor=person.actor
        )
        return JSONResponse(shown(found, "full"))

    async def _one(self, ident: str) -> Any:
        found = await self._look(partial(one, self._routing_file, ident))
        if found is None:
            raise HTTPException(404, f"{ident}: no dead message with this id, as far as was looked")
        return found

    async def _look(self, work: Callable[[], Any]) -> Any:
        async with self._looking:
            try:
                return await asyncio.to_thread(work)
            except (BrokerUnavailable, OSError, ValueError) as error:
                raise HTTPException(502, f"the dead letters can't be read: {error}") from error

    async def _start(self, request: Request) -> Response:
        """A job, which may have ended by the time of this answer. Counting, too: it keeps others from beginning."""
        person = self._access.operator(request)
        asked = await object_of(request)
        order = _order(asked, person.actor)
        try:
            job = self.jobs.start(order)
        except Busy as error:
            raise HTTPException(409, str(error)) from error
        await self.jobs.wait(job, _PATIENCE_SECONDS)
        return _shown_job(job)

    async def _jobs(self, request: Request) -> Response:
        self._access.viewer(request)
        return JSONResponse({"jobs": shown(self.jobs.shown())})

    async def _steer(self, verb: str, request: Request) -> Response:
        person = self._access.operator(request)
        job = self.jobs.get(request.path_params["id"])
        if job is None:
            raise HTTPException(404, "no such job")
        await object_of(request)
        (self.jobs.stop if verb == "stop" else self.jobs.go_on)(job)
        if audited := AUDITED[job.order.verb]:
            how = "to stop" if verb == "stop" else "to go on after its canary"
            await self._note_job(audited, f"told job {job.id} {how}", {"actor": person.actor})
        await self.jobs.wait(job, 1.0)
        return _shown_job(job)

    async def _note_job(self, verb: str, outcome: str, arguments: dict[str, Any]) -> None:
        given = dict(arguments)
        await self._controller.note(verb, outcome, given, actor=given.pop("actor"))


def _order(asked: dict[str, Any], actor: str) -> BulkOrder:
    verb, most, rate, canary = (
        asked.get("verb"),
        asked.get("most"),
        asked.get("rate"),
        asked.get("canary") or 0,
    )
    if verb not in ("count", "retry", "edit", "delete"):
        raise HTTPException(400, f"verb: expected count, retry, edit or delete, got {verb!r}")
    wanted = _filter(asked.get("filter") or {})
    for name in ("args_json", "kwargs_json"):
        text_of(asked, name)  # raises for what is no text, also where it is not used
    for name, value in (("most", most), ("rate", rate), ("canary", canary)):
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if value is not None and not (is_number and 0 <= value <= _MOST_NUMBER):
            raise HTTPException(400, f"{name}: expected a number up to 2^53, got {value!r}")
    if verb in ("delete", "retry") and most is None and not wanted.ids:
        raise HTTPException(400, f"most: how many to {verb} at most; count them first")
    if verb != "edit":
        return BulkOrder(verb, wanted, actor, _int(most), rate or None, int(canary))
    args, kwargs = _json_of(asked, "args_json"), _json_of(asked, "kwargs_json")
    if len(wanted.ids) != 1 or not isinstance(args, list) or not isinstance(kwargs, dict):
        raise HTTPException(400, "an edit needs one id, a list in args_json and an object in kwargs_json")
    return BulkOrder(
        verb, wanted, actor, most=1, change=lambda delivery: with_arguments(delivery, args, kwargs)
    )


def _json_of(asked: dict[str, Any], name: str) -> Any:
    """As a text in JSON: a browser's own numbers are not exact."""
    try:
        return json.loads(text_of(asked, name))
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"{name}: this is no JSON: {error}") from error


def _int(value: float | None) -> int | None:
    return None if value is None else int(value)


def _filter(asked: Any) -> LetterFilter:
    try:
        return LetterFilter.of(asked)
    except (ValueError, AttributeError, TypeError) as error:
        raise HTTPException(400, f"filter: {error}") from error


def _shown_job(job: BulkJob) -> Response:
    return JSONResponse(shown(job.to_dict()))


def _whole(text: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise HTTPException(400, f"expected a whole number, got {text!r}")
    return int(text)
