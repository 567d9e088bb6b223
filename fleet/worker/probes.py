"""The answers to an engine's probes over HTTP: /live, /ready and /metrics, from a real thread that no task can block.

`/live` never depends on the broker: an outage there must not have all workers replaced. Built on `unpatched` only, and
without http.server, whose sockets and threads a green pool has patched.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fleet.clock import time
from fleet.control import Report
from fleet.worker import unpatched
from fleet.worker.crash import fatal
from fleet.worker.errors import BootFailed
from fleet.worker.exposition import exposition

# The watchdog looks each second. One that has not for so long stands still: the interpreter's lock is held.
STILL_SECONDS = 10.0
_MOST_CONNECTIONS = 32
_PATIENCE_SECONDS = 2.0
_LONGEST_REQUEST = 8192
_LOOK_SECONDS = 0.5


class ProbeAnswer(NamedTuple):
    """Of one path."""

    status: int
    text: str
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class ProbeFacts:
    """What the answers are made of, at one moment. Seconds since."""

    state: str  # see control.State
    trouble: str | None
    broker_error: str | None
    paused: bool
    judged_seconds_ago: float  # when the watchdog looked last


def answer(
    path: str, facts: Callable[[], ProbeFacts], group: str, report: Callable[[], Report]
) -> ProbeAnswer:
    """Pure, but for what it asks."""
    match path.partition("?")[0]:
        case "/live":
            return _live(facts())
        case "/ready":
            return _ready(facts())
        case "/metrics":
            return ProbeAnswer(200, exposition(group, report()), "text/plain; version=0.0.4; charset=utf-8")
        case "/v1/worker":  # for `fleet view`
            return ProbeAnswer(200, report().to_json() + "\n")
        case _:
            return ProbeAnswer(404, _json(error="there are /live, /ready and /metrics"))


def _live(facts: ProbeFacts) -> ProbeAnswer:
    age = facts.judged_seconds_ago
    why = facts.trouble or (f"has stood still for {age:.0f} s" if age > STILL_SECONDS else None)
    return ProbeAnswer(503 if why else 200, _json(live=not why, why=why, judged_seconds_ago=round(age, 1)))


def _ready(facts: ProbeFacts) -> ProbeAnswer:
    if facts.state != "ready":
        why: str | None = f"is {facts.state}"
    elif facts.broker_error is not None:
        why = facts.broker_error
    else:
        why = "is paused" if facts.paused else None
    return ProbeAnswer(503 if why else 200, _json(ready=not why, why=why))


def _json(**values: object) -> str:
    return json.dumps(values) + "\n"


@dataclass(slots=True)
class _Client:
    sock: Any
    until: float  # monotonic: then it has had its time
    request: bytes = b""
    reply: bytes = b""


@dataclass(slots=True)
class Probes:
    """Listens from `start` on until the process ends. `reply` makes an ProbeAnswer of a path."""

    reply: Callable[[str], ProbeAnswer]
    _clients: dict[int, _Client] = field(default_factory=dict)
    _listener: Any = None

    def start(self, address: str) -> None:
        """`address` is "HOST:PORT", without a host all of this machine's. Raises BootFailed."""
        host, _, port = address.rpartition(":")
        try:
            self._listener = unpatched.tcp_listener(host.strip("[]"), int(port))
        except (OSError, ValueError, OverflowError) as error:
            raise BootFailed(f"--listen {address}: {error}") from error
        unpatched.start_thread(self._run, ())

    @property
    def port(self) -> int:
        """The one that it listens on, where 0 was asked for."""
        return int(self._listener.getsockname()[1])

    def _run(self) -> None:
        with fatal():
            while True:
                self._turn()

    def _turn(self) -> None:
        poll = unpatched.poll()
        poll.register(self._listener.fileno(), unpatched.POLLIN)
        for fd, each in self._clients.items():
            poll.register(fd, unpatched.POLLOUT if each.reply else unpatched.POLLIN)
        for fd, _ in poll.poll(_LOOK_SECONDS * 1000 if self._clients else None):
            if fd == self._listener.fileno():
                self._welcome()
            elif (client := self._clients.get(fd)) is not None and not self._serve(client):
                self._part(fd)
        now = time.monotonic()
        for fd in [fd for fd, client in self._clients.items() if now >= client.until]:
            self._part(fd)

    def _welcome(self) -> None:
        """Whoever comes last is served: those that only hold a connection have had their turn."""
        try:
            sock = unpatched.accepted(self._listener)
        except OSError:
            unpatched.sleep(_LOOK_SECONDS)  # out of descriptors
            return
        if sock is None:
            return
        if len(self._clients) >= _MOST_CONNECTIONS:
            self._part(next(iter(self._clients)))
        self._clients[sock.fileno()] = _Client(sock, time.monotonic() + _PATIENCE_SECONDS)

    def _serve(self, client: _Client) -> bool:
        """Whether there is more to come."""
        try:
            if not client.reply:
                data = client.sock.recv(_LONGEST_REQUEST)
                client.request += data
                if b"\r\n\r\n" in client.request or b"\n\n" in client.request:
                    client.reply = self._reply(client.request)
                elif not data or len(client.request) > _LONGEST_REQUEST:
                    return False
            client.reply = client.reply[client.sock.send(client.reply) :] if client.reply else b""
        except BlockingIOError:
            return True
        except OSError:
            return False
        return bool(client.reply) or not client.request.endswith(b"\n")

    def _reply(self, request: bytes) -> bytes:
        method, _, rest = request.partition(b"\n")[0].decode("latin-1").partition(" ")
        if method not in ("GET", "HEAD"):
            found = ProbeAnswer(405, _json(error="only GET is answered"))
        else:
            found = self.reply(rest.partition(" ")[0])
        body = found.text.encode()
        head = (
            f"HTTP/1.1 {found.status} {_REASONS[found.status]}\r\nContent-Type: {found.content_type}\r\n"
            f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + (b"" if method == "HEAD" else body)

    def _part(self, fd: int) -> None:
        self._clients.pop(fd).sock.close()


_REASONS = {200: "OK", 404: "Not Found", 405: "Method Not Allowed", 503: "Service Unavailable"}
