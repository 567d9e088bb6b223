"""The gate before every request: whether its host, origin and form are right; and the headers of every answer."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fleet.launch_specs import DashboardLaunch

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'; require-trusted-types-for 'script'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_SAFE = ("GET", "HEAD")
_LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
_EVERYWHERE = ("", "0.0.0.0", "::")  # noqa: S104


def listens_on_loopback(listen: str) -> bool:
    """Whether only this machine reaches it; a Unix socket is a proxy's, which may stand before the world."""
    host = _listen_host(listen)
    if host is None:
        return False
    return host == "localhost" or (_address(host) is not None and ipaddress.ip_address(host).is_loopback)


class RequestGate:
    """An ASGI application around another."""

    def __init__(self, app: ASGIApp, launch: DashboardLaunch) -> None:
        self._app = app
        self._root = launch.root_path
        host = _listen_host(launch.listen)
        self._any_address = host in _EVERYWHERE
        own = [host] if host and not self._any_address else []
        local = _LOOPBACK_NAMES if host is not None else ()
        self._hosts = {name.lower() for name in (*launch.hosts, *own, *local)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        if self._root and path.startswith(f"{self._root}/"):
            scope = {**scope, "path": path[len(self._root) :]}  # a proxy that takes nothing off
        headers = Headers(scope=scope)
        refusal = self._refusal(scope["method"], headers)
        answer: ASGIApp = refusal or self._app
        if refusal is None and self._root and path == self._root:
            answer = RedirectResponse(f"{self._root}/")  # what the page names is relative to it

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    given[name] = value
                given.setdefault("Cache-Control", "no-store")
            await send(message)

        await answer(scope, receive, send_with_headers)

    def _refusal(self, method: str, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not self._knows(host):
            return _refused(
                403, f"this dashboard is not asked for as {host!r}: [dashboard] hosts names others"
            )
        if method in _SAFE:
            return None
        if method != "POST":
            return None  # no route takes it: 405 with what that one does
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refused(415, "only JSON is taken")
        if not headers.get("authorization", "").startswith("Bearer ") and not _same_origin(headers, host):
            return _refused(403, "this was asked for by another page")
        return None

    def _knows(self, host: str) -> bool:
        name = _host_name(host)
        # A page that rebinds its name can't make browsers say an address.
        return name in self._hosts or (self._any_address and _address(name) is not None)


def _same_origin(headers: Headers, host: str) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site == "same-origin"
    origin = urlsplit(headers.get("origin", ""))
    return origin.scheme in ("http", "https") and origin.netloc.lower() == host.lower()


def _refused(status: int, error: str) -> Response:
    return JSONResponse({"error": error}, status_code=status)


def _host_name(host: str) -> str:
    """Without the port and, for IPv6, the brackets."""
    try:
        return (urlsplit(f"//{host}").hostname or "").lower()
    except ValueError:
        return ""


def _listen_host(listen: str) -> str | None:
    """None of a Unix socket, "" of all addresses."""
    if listen.startswith("unix:"):
        return None
    return listen.rpartition(":")[0].strip().strip("[]").lower()


def _address(host: str) -> Any:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


class Proxies:
    """The proxies whose word about who asks is taken."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._networks = []
        self._socket = False
        for each in trusted:
            if each == "unix":
                self._socket = True
            else:
                self._networks.append(ipaddress.ip_network(each, strict=False))

    def client(self, scope: Scope) -> tuple[str, bool]:
        """The address of who asks, and whether by https."""
        peer = scope["client"][0] if scope.get("client") else "unix"
        if not self._trusts(peer):
            return peer, False
        headers = Headers(scope=scope)
        https = headers.get("x-forwarded-proto", "").strip().lower() == "https"
        for hop in reversed([each.strip() for each in headers.get("x-forwarded-for", "").split(",")]):
            if hop and not self._trusts(hop):
                return hop[:64], https
        return peer, https

    def _trusts(self, peer: str) -> bool:
        if peer in ("", "unix"):
            return self._socket
        address = _address(peer)
        return address is not None and any(address in network for network in self._networks)
