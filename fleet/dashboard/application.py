"""The dashboard's application: the page's files and its API behind the gate. Errors are JSON."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fleet.dashboard.access import Access
from fleet.dashboard.action_routes import ActionRoutes
from fleet.dashboard.bulk import BulkJobs
from fleet.dashboard.controller_client import ControllerClient
from fleet.dashboard.dead_routes import DeadRoutes
from fleet.dashboard.gate import RequestGate
from fleet.dashboard.view_routes import ViewRoutes
from fleet.launch_specs import DashboardLaunch
from fleet.statedir import StateDir
from fleet.visible import visible

_KINDS = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}


def application(launch: DashboardLaunch, state: StateDir) -> tuple[RequestGate, BulkJobs]:
    """The application, and what has to be ended before the process is."""
    routes, jobs = api_routes(launch, state)
    app = Starlette(
        routes=[*_pages(), *routes],
        exception_handlers={HTTPException: _http_error, Exception: _internal_error},
    )
    app.router.redirect_slashes = False
    return RequestGate(app, launch), jobs


def api_routes(launch: DashboardLaunch, state: StateDir) -> tuple[list[Route], BulkJobs]:
    """What docs/reference/openapi.json describes, and the jobs that it begins."""
    access, controller = Access(launch), ControllerClient(state.api_socket)
    views = ViewRoutes(launch, access, controller)
    actions = ActionRoutes(launch, access, controller, views)
    dead = DeadRoutes(state.routing_file, access, controller, views)
    views.beside = lambda: {"jobs": dead.jobs.shown()}
    return [*views.routes(), *actions.routes(), *dead.routes()], dead.jobs


def _pages() -> Iterator[Route]:
    folder = files("fleet.dashboard") / "static"
    yield Route("/", _file(folder / "index.html"))
    for name, file in _static(folder, ""):
        yield Route(name, _file(file))


def _static(folder: Traversable, path: str) -> Iterator[tuple[str, Traversable]]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _static(each, f"{path}/{each.name}")
        else:
            yield f"{path}/{each.name}", each


def _file(file: Traversable) -> Callable[[Request], Awaitable[Response]]:
    content = file.read_bytes()
    tag = f'"{hashlib.sha256(content).hexdigest()[:16]}"'
    kind = _KINDS["." + file.name.rpartition(".")[2]]
    headers = {"ETag": tag, "Cache-Control": "no-cache"}

    async def get(request: Request) -> Response:
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=kind, headers=headers)

    return get


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    headers = dict(error.headers or {})
    if error.status_code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    # What was asked for is quoted in it: visible also because half of a surrogate pair is no UTF-8.
    return JSONResponse({"error": visible(error.detail)}, error.status_code, headers)


async def _internal_error(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"this is a bug in fleet: {type(error).__name__}"}, status_code=500)
