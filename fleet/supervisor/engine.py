"""Runs supervisord in this process: lock, clean up, main loop, leave nothing behind."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress

from supervisor.medusa import asyncore_25 as asyncore
from supervisor.supervisord import Supervisor

from fleet.launch_specs import ProgramSpec
from fleet.private_files import open_private
from fleet.statedir import StateDir
from fleet.supervisor import lock, plugin
from fleet.supervisor.companion import Companion
from fleet.supervisor.notify import Notifier
from fleet.supervisor.options import EngineError, EngineOptions
from fleet.supervisor.state_guard import StateGuard
from fleet.supervisor.supervisorctl_rpc import SupervisorctlInterface

__all__ = ["EngineError", "run"]

_ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}


def run(
    state: StateDir,
    controller: ProgramSpec,
    *,
    lock_fd: int | None = None,
    companion: Companion | None = None,
) -> int:
    """Supervise until told to stop; returns the exit code. `controller` is the first program.

    `lock_fd` is the lock, when whoever started this process took it already. Nothing is ever written to
    stdout or stderr after the start: a blocked terminal must not block supervision. Raises AlreadyRunning,
    PermissionError, EngineError.
    """
    state.create()
    if lock_fd is None:
        lock_fd = lock.take(state)
    os.set_inheritable(lock_fd, False)
    lock.write_pid(lock_fd)
    _clean(state)
    _leave_terminal(state)
    if _ENDING & signal.sigpending():
        # Somebody has asked while this process was being loaded: nothing has begun that would have to end.
        if companion is not None:
            companion.take_leave([], at_once=False)
        return 0
    options = EngineOptions(state)
    # The stock interface too: `supervisorctl` keeps working, as far as it can't end the fleet.
    options.rpcinterface_factories = [
        ("supervisor", lambda supervisord: SupervisorctlInterface(supervisord, controller.full_name), {}),
        ("fleet", plugin.factory(options, controller, Notifier.from_environment(os.environ)), {}),
    ]
    supervisord = Supervisor(options)
    options.look_after_state = _caretaker(state, lock_fd, options, supervisord)
    try:
        supervisord.main()
    except asyncore.ExitNow:
        pass
    finally:
        options.close_httpservers()
        options.close_logger()
    if companion is not None:
        companion.take_leave(_killed(supervisord), at_once=options.hurried)
    return 0  # the lock is held until the process ends


def _caretaker(
    state: StateDir, lock_fd: int, options: EngineOptions, supervisord: Supervisor
) -> Callable[[], float]:
    """What the main loop calls; says when to call it again (monotonic seconds)."""

    def reopen_logs() -> None:
        options.logger.handlers[0].reopen()
        for group in supervisord.process_groups.values():
            for process in group.processes.values():
                process.log.close()

    def server_fd() -> int:
        fd: int = options.httpservers[0][1].socket.fileno()  # opened by the main loop
        return fd

    state_guard = StateGuard(state, lock_fd, server_fd, reopen_logs)

    def look() -> float:
        if said := state_guard.look():
            options.logger.critical(said)
        return state_guard.deadline()

    return look


def _killed(supervisord: Supervisor) -> list[str]:
    """Full names of the programs that did not end by themselves when they were told to."""
    groups = supervisord.process_groups.values()
    return [
        process.spec.full_name for group in groups for process in group.processes.values() if process.killed
    ]


def _clean(state: StateDir) -> None:
    """Sockets of a supervisor that was killed: the lock proves that nobody listens."""
    for path in (state.supervisor_socket, state.api_socket, state.control_socket, state.handed_socket):
        with suppress(FileNotFoundError):
            path.unlink()


def _leave_terminal(state: StateDir) -> None:
    null = os.open(os.devnull, os.O_RDONLY)
    log = open_private(state.logs / "supervisord.err", os.O_WRONLY | os.O_TRUNC | os.O_APPEND | os.O_CREAT)
    for source, target in ((null, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(log)
