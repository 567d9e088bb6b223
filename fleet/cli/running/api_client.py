"""Ask the controller over its Unix socket, by HTTP/1.0 on a bare socket: `http.client` loads too much.

Standard library only.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fleet.statedir import StateDir

ANSWER_SECONDS = 10.0


class ControllerUnavailable(ConnectionError):  # noqa: N818
    """Nobody answers on the controller's socket."""


class ApiError(Exception):
    """The controller answered that it can't; the text is its reason, `status` the HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ApiClient:
    """One request per connection, so a client survives the controller's restart."""

    def __init__(self, socket_path: Path) -> None:
        self._path = socket_path

    def get(self, path: str) -> dict[str, Any]:
        """Raises ControllerUnavailable, ApiError."""
        with self._answer("GET", path, ANSWER_SECONDS) as body:
            answer: dict[str, Any] = json.loads(body.read())
            return answer

    def text(self, path: str, *, accept: str) -> str:
        """What is no JSON, in a format that `accept` names. Raises ControllerUnavailable, ApiError."""
        with self._answer("GET", path, ANSWER_SECONDS, accept=accept) as body:
            return body.read().decode()

    def post(
        self, path: str, arguments: dict[str, Any], *, seconds: float = ANSWER_SECONDS
    ) -> dict[str, Any]:
        """Raises ControllerUnavailable, also when it takes longer than `seconds`, and ApiError."""
        with self._answer("POST", path, seconds, arguments) as body:
            answer: dict[str, Any] = json.loads(body.read())
            return answer

    def stream(
        self, method: str, path: str, arguments: dict[str, Any] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Objects as they come, without any limit of time. Raises ControllerUnavailable, ApiError."""
        with self._answer(method, path, None, arguments) as body:
            for line in body:
                yield json.loads(line)

    @contextmanager
    def _answer(
        self,
        method: str,
        path: str,
        seconds: float | None,
        arguments: dict[str, Any] | None = None,
        *,
        accept: str = "application/json",
    ) -> Iterator[IO[bytes]]:
        content = b"" if arguments is None else json.dumps(arguments).encode()
        head = f"{method} {path} HTTP/1.0\r\nHost: fleet\r\nAccept: {accept}\r\nContent-Length: {len(content)}\r\n\r\n"
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.settimeout(seconds)
                connection.connect(str(self._path))
                connection.sendall(head.encode("ascii") + content)
                with connection.makefile("rb") as answer:
                    status = _status(answer)
                    if status != 200:
                        raise ApiError(status, _reason(answer.read()))
                    yield answer
        except (OSError, ValueError) as error:
            raise ControllerUnavailable(f"no controller answers on {self._path}: {error}") from error


def status_if_answering(state: StateDir) -> dict[str, Any] | None:
    """The controller's status; None while it doesn't answer, or says that it can't."""
    try:
        return ApiClient(state.api_socket).get("/status")
    except (ControllerUnavailable, ApiError):
        return None


def _status(answer: IO[bytes]) -> int:
    """The status code; reads on to the body. Raises ValueError."""
    parts = answer.readline().split()
    while answer.readline().strip():
        pass
    if len(parts) < 2:
        raise ConnectionResetError("it hung up")
    return int(parts[1])


def _reason(body: bytes) -> str:
    try:
        return str(json.loads(body)["error"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace").strip() or "no reason given"
