"""Access to the page: who asks, by a token, a session or as anybody on this machine, and what that person may do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request

from fleet.dashboard.attempts import Attempts
from fleet.dashboard.gate import Proxies, listens_on_loopback
from fleet.dashboard.tokens import Token, TokenFile, use_code
from fleet.launch_specs import DashboardLaunch
from fleet.statedir import StateDir

COOKIE = "fleet_session"


@dataclass(frozen=True, slots=True)
class Person:
    """`name` is "" of somebody who has shown nothing."""

    name: str
    role: str

    @property
    def actor(self) -> str:
        """As the audit names it."""
        return f"web:{self.name or 'anybody'}"


class Access:
    """Belongs to the event loop."""

    def __init__(self, launch: DashboardLaunch) -> None:
        self.tokens = TokenFile(Path(launch.token_file))
        self.proxies = Proxies(launch.trusted_proxies)
        self._codes = StateDir(Path(launch.state_dir)).dashboard_logins
        self._attempts = Attempts()
        # What names proxies or hosts is meant for others, too: a request that comes from this machine is the proxy's.
        exposed = launch.hosts or launch.trusted_proxies or launch.root_path
        self._anybody_may_look = listens_on_loopback(launch.listen) and not exposed

    def person(self, request: Request) -> Person | None:
        """None: nobody who may do anything. Raises HTTPException for a token that is none."""
        scheme, _, secret = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer":
            token = self.attempt(request, secret)
            return Person(token.name, token.role)
        if cookie := request.cookies.get(COOKIE):
            found = self.tokens.of_session(cookie, time.time())
            if found is not None:
                return Person(found.name, found.role)
        return Person("", "viewer") if self._anybody_may_look else None

    def attempt(self, request: Request, secret: str = "", code: str = "") -> Token:
        """Raises HTTPException: 401 for what is wrong, 429 after too much of that."""
        address, _ = self.proxies.client(request.scope)
        now = time.monotonic()
        if not self._attempts.allowed(address, now):
            raise HTTPException(429, "too many attempts: wait a minute")
        if code:
            name = use_code(self._codes, code, time.time())
            token = self.tokens.tokens().get(name) if name is not None else None
        else:
            token = self.tokens.of_secret(secret)
        if token is None:
            self._attempts.failed(address, now)
            raise HTTPException(401, "this code has been used or is over" if code else "no such token")
        return token

    def viewer(self, request: Request) -> Person:
        """Raises HTTPException unless they may look."""
        return self._with_role(request, ("viewer", "operator"))

    def known(self, request: Request) -> Person:
        """Raises HTTPException unless they may look, and have shown who they are."""
        return self._known(
            request, ("viewer", "operator"), "log in to see this: `fleet dashboard` prints a link"
        )

    def operator(self, request: Request) -> Person:
        """Raises HTTPException unless they may act."""
        return self._with_role(request, ("operator",))

    def reader_of_metrics(self, request: Request) -> Person:
        """Raises HTTPException unless they may read metrics."""
        need = "metrics need a token: `fleet dashboard token NAME --role metrics`"
        return self._known(request, ("metrics", "viewer", "operator"), need)

    def _known(self, request: Request, roles: tuple[str, ...], need: str) -> Person:
        person = self._with_role(request, roles)
        if not person.name:
            raise HTTPException(401, need)
        return person

    def _with_role(self, request: Request, roles: tuple[str, ...]) -> Person:
        person = self.person(request)
        if person is None:
            raise HTTPException(401, "log in first: `fleet dashboard` prints a link")
        if person.role not in roles:
            need = roles[0] if len(roles) == 1 else " or ".join(roles)
            raise HTTPException(403, f"this needs the role {need}; `fleet dashboard token` makes a token")
        return person
