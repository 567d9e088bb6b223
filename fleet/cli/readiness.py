"""Waiting for a fleet to be ready, or to have failed for sure."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

from fleet.cli.exits import Exit
from fleet.cli.options import Failure
from fleet.spec import Exit as ProgramExit
from fleet.statedir import StateDir
from fleet.supervisor.client import Program, SupervisorClient, SupervisorUnavailable

_LAST_WORDS = 5
_ASK_EVERY_SECONDS = 0.1
_ANSWER_SECONDS = 5.0


def wait_until_healthy(state: StateDir) -> None:
    """Returns when the controller says "healthy".

    Raises Failure when a program can't start, or has crashed so often that it counts as failed, or all is
    gone.
    """
    client = SupervisorClient(state.supervisor_socket)
    while (_status(state) or {}).get("state") != "healthy":
        try:
            programs = client.snapshot().programs
        except SupervisorUnavailable:
            raise Failure("the fleet has ended: `fleet logs` says why", Exit.NOT_RUNNING) from None
        for program in programs:
            _check(program)
        time.sleep(_ASK_EVERY_SECONDS)


def _check(program: Program) -> None:
    """Raises Failure when waiting for this program is in vain."""
    last = program.last_exit
    if last is None or program.state not in ("backoff", "failed"):
        return
    if program.state == "failed" or last.code == ProgramExit.BOOT_FAILED:
        fate = "can't start" if last.code == ProgramExit.BOOT_FAILED else "crashes again and again"
        said = "".join(f"\n  {line}" for line in last.log_tail[-_LAST_WORDS:])
        raise Failure(f"{program.group}:{program.name} {fate}; its last words:{said}")


def _status(state: StateDir) -> dict[str, Any] | None:
    """GET /status of the controller; None while it doesn't answer."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(_ANSWER_SECONDS)
        answer = bytearray()
        try:
            connection.connect(str(state.api_socket))
            connection.sendall(b"GET /status HTTP/1.0\r\n\r\n")
            while chunk := connection.recv(65536):
                answer += chunk
        except OSError:
            return None
    head, _, body = bytes(answer).partition(b"\r\n\r\n")
    if b" 200 " not in head.split(b"\r\n", 1)[0] + b" ":
        return None
    status: dict[str, Any] = json.loads(body)
    return status
