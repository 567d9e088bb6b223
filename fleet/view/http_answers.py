"""The HTTP side of `fleet view`: GET /v1/groups, /v1/groups/NAME, /v1/schedules, /metrics, /live, /ready."""

from __future__ import annotations

import json
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from fleet.view.watching import View


def make_server(address: tuple[str, int], view: View) -> ThreadingHTTPServer:
    """Bound, not yet serving. Raises OSError."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 5
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path.partition("?")[0] == "/metrics":
                status, (body, kind) = HTTPStatus.OK, metrics(view, self.headers.get("Accept", ""))
            else:
                status, found = respond(view, self.path)
                body, kind = (json.dumps(found) + "\n").encode(), "application/json"
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """A scaler asks every few seconds: that is no news."""

    server = ThreadingHTTPServer(address, Handler, bind_and_activate=False)
    server.daemon_threads = True
    server.server_bind()
    server.server_activate()
    return server


def metrics(view: View, accept: str) -> tuple[bytes, str]:
    """The text and its content type: of schedules, under the names that the controller gives them on one host."""
    from fleet.controller.metrics.exposition import exposed

    return exposed(view.clock.samples() if view.clock is not None else (), accept)


def respond(view: View, path: str) -> tuple[HTTPStatus, dict[str, Any]]:
    """Status and body."""
    path = path.partition("?")[0]
    if path in ("/live", "/ready"):
        return (HTTPStatus.OK if view.is_fresh else HTTPStatus.SERVICE_UNAVAILABLE), {path[1:]: view.is_fresh}
    if path == "/v1/groups":
        return HTTPStatus.OK, {"groups": [each for name in view.groups if (each := view.answer(name))]}
    if path == "/v1/schedules":
        none: dict[str, Any] = {"scheduler": None, "schedules": []}
        return HTTPStatus.OK, view.clock.shown() if view.clock is not None else none
    name = unquote(path.removeprefix("/v1/groups/"))
    if path == name or name not in view.groups:
        there = ", ".join(view.groups) or "none"
        return HTTPStatus.NOT_FOUND, {
            "error": f"no group here that scales is called {name!r}; there are: {there}"
        }
    found = view.answer(name)
    if found is None:
        # So that a scaler keeps what there is.
        return HTTPStatus.SERVICE_UNAVAILABLE, {"error": "nothing is known yet"}
    return HTTPStatus.OK, found
