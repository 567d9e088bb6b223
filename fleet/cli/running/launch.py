"""The launch of the supervisor by `fleet up`: becoming it, or starting it beside itself for `--detach`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import fleet
from fleet import program_labels
from fleet.cli.exits import Exit
from fleet.cli.options import Failure
from fleet.host_labels import VARIABLE
from fleet.launch_specs import ProgramSpec
from fleet.log_files import select, sizes
from fleet.statedir import StateDir
from fleet.supervisor.client import SupervisorClient, SupervisorUnavailable

# It has nothing to finish when it is stopped, for it is the last.
_CONTROLLER_STOP_SECONDS = 10.0
_LISTENED_TO = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def module_command(module: str, *arguments: str) -> tuple[str, ...]:
    """`python -m module`, without the current folder on the path: a project's `select.py` must not be ours.

    Except in a checkout that is not installed, where that folder is the only place to find fleet.
    """
    checkout = Path(fleet.__file__).parent.parent
    safe = () if checkout == Path.cwd() else ("-P",)
    return (sys.executable, *safe, "-m", module, *arguments)


def controller_program(
    state: StateDir, file: Path, env: str | None, labels: Sequence[str] = ()
) -> ProgramSpec:
    """The first program, which adds all others."""
    named = () if env is None else ("--env", env)
    return ProgramSpec(
        group="fleet",
        name="controller",
        command=module_command("fleet.controller", str(file), "--state-dir", str(state.root), *named),
        directory=str(file.parent),
        environment={"FLEET_STATE_DIR": str(state.root), VARIABLE: ",".join(labels)},
        log_file=str(state.logs / "controller.log"),
        stop_seconds=_CONTROLLER_STOP_SECONDS,
        labels=program_labels.CONTROLLER,
    )


def become_supervisor(state: StateDir, controller: ProgramSpec, lock_fd: int, name: str) -> NoReturn:
    """In this terminal, with a console beside it. What runs for weeks then has none of our modules loaded."""
    # A Ctrl-C before the supervisor listens waits for it.
    signal.pthread_sigmask(signal.SIG_BLOCK, _LISTENED_TO)
    reader, writer = os.pipe()
    before = {str(path): size for path, size in sizes(state.logs, select(None)).items()}
    console = subprocess.Popen(
        module_command("fleet.cli.console", str(state.root), name, json.dumps(before)), stdin=reader
    )
    os.close(reader)
    for fd in (lock_fd, writer):
        os.set_inheritable(fd, True)
    companion = ("--companion", str(console.pid), str(writer))
    sys.stdout.flush()
    sys.stderr.flush()
    command = _supervisor_command(state, controller, lock_fd, *companion)
    os.execv(command[0], command)  # noqa: S606


def start_detached(state: StateDir, controller: ProgramSpec, lock_fd: int) -> int:
    """In a session of its own, without a terminal; its pid as soon as it answers. Raises Failure."""
    process = subprocess.Popen(
        _supervisor_command(state, controller, lock_fd),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        pass_fds=(lock_fd,),
        start_new_session=True,
    )
    assert process.stderr is not None
    # Its last words if it can't start; closed when it can, for then it writes to its log.
    words = process.stderr.read().decode(errors="replace").strip()
    client = SupervisorClient(state.supervisor_socket)
    while process.poll() is None:
        try:
            return client.wait(-1, 1.0).pid
        except SupervisorUnavailable:
            _wait_a_little(process)
    raise Failure(
        f"the supervisor ended at once: {words or _end_of(state.logs / 'supervisord.err')}", Exit.FINDINGS
    )


def _supervisor_command(
    state: StateDir, controller: ProgramSpec, lock_fd: int, *more: str
) -> tuple[str, ...]:
    lock = ("--lock-fd", str(lock_fd))
    return module_command("fleet.supervisor", str(state.root), controller.to_json(), *lock, *more)


def _wait_a_little(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(0.02)
    except subprocess.TimeoutExpired:
        return


def _end_of(path: Path) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").splitlines()[-5:])
    except OSError:
        return "it left no message"
