"""Supervisord's options, set in memory: no command line, no configuration file, no daemonising.

Paths and values never pass through INI text, where `%`, ` ;` and ` #` mean something.
"""

from __future__ import annotations

import math
import os
import resource
import signal
import socket
from collections.abc import Callable
from typing import Any

from supervisor import loggers
from supervisor.options import ServerOptions
from supervisor.states import SupervisorStates

from fleet.peers import peer_of
from fleet.statedir import StateDir
from fleet.supervisor import spawn
from fleet.supervisor.ended import reap_one
from fleet.supervisor.logfile import RotatedLog
from fleet.supervisor.process_signals import Signals
from fleet.supervisor.wakeup import DeadlinePoller, SignalWaker
from fleet.supervisor.zygotes import Zygotes
from fleet.visible import visible_lines

# Each program costs three descriptors: stdin, output, log.
_WANTED_FILES = 16384
# Supervisord's warning, critical no less; see _unix_server.
_UNGUARDED = "Server 'fleet' running without any HTTP authentication checking"


class EngineError(RuntimeError):
    """Supervisord can't run; the text says why."""


class EngineOptions(ServerOptions):  # type: ignore[misc]
    """What supervisord reads its settings from and does its system calls by."""

    first = True
    test = False
    nodaemon = True
    silent = True
    nocleanup = True
    strip_ansi = False
    minfds = 1024
    minprocs = 1
    loglevel = loggers.LevelsByName.INFO
    identifier = "fleet"
    directory = None
    profile_options = None

    def __init__(self, state: StateDir) -> None:
        super().__init__()
        self.poller = DeadlinePoller(self)
        self.pid = os.getpid()
        self.nofile = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.logfile = str(state.logs / "supervisord.log")
        self.childlogdir = str(state.logs)
        self.serverurl = f"unix://{state.supervisor_socket}"
        self.server_configs = [_unix_server(state)]
        self.rpcinterface_factories: list[tuple[str, Callable[..., Any], dict[str, Any]]] = []
        self.changed: Callable[[], None] = lambda: None
        self.signals = Signals()
        self.look_after_state: Callable[[], float] = lambda: math.inf  # when to call it again
        self.reaped_all = True
        self.hurried = False
        """Somebody lost patience with the end."""
        self.zygotes = Zygotes(self)
        self.next_fork = spawn.fork  # set by the process that supervisord is about to fork
        self._waker = SignalWaker()

    @property
    def stopping(self) -> bool:
        return bool(self.mood < SupervisorStates.RUNNING)

    @property
    def signals_waiting(self) -> bool:
        """Supervisord handles one signal a pass."""
        return bool(self.signal_receiver._signals_recvd)

    # Called by supervisord.

    def usage(self, msg: str) -> None:
        raise EngineError(str(msg))

    def set_uid_or_exit(self) -> None:
        """Programs change their user, the supervisor never does."""

    def set_rlimits_or_exit(self) -> None:
        soft, hard = self.nofile
        wanted = _WANTED_FILES if hard == resource.RLIM_INFINITY else min(_WANTED_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))

    def make_logger(self) -> None:
        self.logger = loggers.getLogger(self.loglevel)
        self.logger.addHandler(_MainLog(RotatedLog(self.logfile)))

    def write_pidfile(self) -> None:
        """The lock holds it."""

    def setsignals(self) -> None:
        super().setsignals()
        self._waker.install()
        # Whoever started this process may have blocked them until somebody listens.
        signal.pthread_sigmask(signal.SIG_SETMASK, ())

    def get_signal(self) -> int | None:
        signum: int | None = super().get_signal()
        return None if self.signals.take(signum, stopping=self.stopping) else signum

    def make_http_servers(self, supervisord: Any) -> Any:
        servers = super().make_http_servers(supervisord)
        for _config, server in servers:
            server.accept = _turning_strangers_away(server.accept, self.logger.warn)
        return servers

    def fork(self) -> int:
        return self.next_fork()

    def waitpid(self) -> tuple[int | None, int | None]:
        ended = reap_one(self.pidhistory)
        self.reaped_all = ended is None
        if ended is None:
            return None, None
        process = self.pidhistory.get(ended.pid)
        if process is not None:
            process.ended = ended
        return ended.pid, ended.status

    def cleanup(self) -> None:
        super().cleanup()
        self._waker.remove()


def _turning_strangers_away(accept: Callable[[], Any], warn: Callable[[str], None]) -> Callable[[], Any]:
    """Not only the folder's mode keeps others out: whoever got at the socket in another way is not heard."""

    def accept_known() -> Any:
        accepted = accept()
        if accepted is None:  # already gone again
            return None
        peer = peer_of(accepted[0])
        if not peer.may_command:
            accepted[0].close()
            warn(f"{peer.name} (pid {peer.pid}) may not command this fleet: turned away")
            raise ConnectionRefusedError  # what the server takes for a connection that is gone already
        return accepted

    return accept_known


class _MainLog(loggers.Handler):  # type: ignore[misc]
    """Supervisord's own log."""

    def __init__(self, file: RotatedLog) -> None:
        super().__init__()
        self._file = file
        self.setFormat("%(asctime)s %(levelname)s %(message)s\n")

    def emit(self, record: Any) -> None:
        if record.msg == _UNGUARDED:
            return
        self._file.write((visible_lines(self.fmt % record.asdict())).encode(errors="replace"))

    def reopen(self) -> None:
        self._file.close()

    close = reopen


def _unix_server(state: StateDir) -> dict[str, Any]:
    """Without a password: the socket is 0700 in a folder that is 0700."""
    return {
        "family": socket.AF_UNIX,
        "file": str(state.supervisor_socket),
        "chmod": 0o700,
        "chown": (-1, -1),
        "username": None,
        "password": None,
        "name": "fleet",
        "section": "fleet",
    }
