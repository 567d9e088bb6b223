"""`fleet restart --controller`: the controller ends and is started again, as the code is now."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path
from typing import Any

import click

from fleet import program_labels
from fleet.cli.exits import Exit
from fleet.cli.options import Failure
from fleet.cli.running.api_client import status_if_answering
from fleet.cli.running.commands import leave_word
from fleet.statedir import StateDir
from fleet.supervisor.client import Program, SupervisorClient, SupervisorUnavailable

_LONGEST_SECONDS = 60.0
_ASK_EVERY_SECONDS = 0.05


def restart_controller(path: Path, state: StateDir, as_json: bool) -> int:
    """Returns when the new one answers. Raises Failure when it does not come up."""
    client = SupervisorClient(state.supervisor_socket)
    before = _controller(client, path)
    leave_word(state, "restart-controller")
    if before.pid:
        client.signal(before.full_name, signal.SIGTERM)
    else:  # it waits for its next try
        client.restart_now(before.full_name)
    deadline = time.monotonic() + _LONGEST_SECONDS
    while time.monotonic() < deadline:
        now, status = _controller(client, path), status_if_answering(state)
        if status is not None and now.pid and status["controller"]["pid"] == now.pid != before.pid:
            _tell(status, before.pid, as_json)
            return Exit.OK
        if _has_failed(before, now):
            raise Failure(f"the new controller can't start, and is tried again; {_last_words(now)}")
        time.sleep(_ASK_EVERY_SECONDS)
    raise Failure(f"the new controller does not answer; {_last_words(_controller(client, path))}")


def _has_failed(before: Program, now: Program) -> bool:
    """Whether a process that was started since has ended, and not on purpose."""
    crashed = now.last_exit is not None and now.last_exit.code != 0
    started = now.restarts - before.restarts
    return crashed and (started > 1 or (started == 1 and not now.pid))


def _last_words(controller: Program) -> str:
    last = controller.last_exit
    words = "".join(f"\n  {line}" for line in last.log_tail[-5:]) if last else ""
    return f"the workers go on working. Its last words:{words}"


def _tell(status: dict[str, Any], pid_before: int, as_json: bool) -> None:
    controller = status["controller"]
    workers = sum(len(group["workers"]) for group in status["groups"])
    if as_json:
        click.echo(json.dumps({"controller": controller, "workers": workers}, indent=2))
    else:
        version, pid = controller["version"], controller["pid"]
        click.echo(f"controller {version}, pid {pid_before} → {pid}; {workers} workers go on as they are")


def _controller(client: SupervisorClient, path: Path) -> Program:
    try:
        programs = client.snapshot().programs
    except SupervisorUnavailable:
        raise Failure(f"the fleet of {path} is not running: `fleet up` starts it", Exit.NOT_RUNNING) from None
    own = program_labels.controller(programs)
    assert own is not None, "the supervisor keeps its first program as long as it runs"
    return own
