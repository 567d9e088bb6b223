"""Talk to the supervisor over its Unix socket; what it answers, as values."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.launch_specs import ProgramSpec
from fleet.slot_names import full_name
from fleet.spec import Spec
from fleet.supervisor import rpc_call
from fleet.supervisor.rpc_call import CallRefused

__all__ = ["CallRefused", "LastExit", "Program", "Snapshot", "SupervisorClient", "SupervisorUnavailable"]

_ANSWER_SECONDS = 5.0
"""The main loop is never away for long."""


class SupervisorUnavailable(ConnectionError):  # noqa: N818
    """Nobody answers on the supervisor's socket."""


@dataclass(frozen=True, slots=True)
class LastExit(Spec):
    """How the process before this one ended."""

    at: float  # POSIX timestamp
    code: int | None  # None when killed by a signal
    signal: int | None
    uptime_seconds: float
    log_tail: tuple[str, ...] = ()  # its last lines
    rss_bytes: int | None = None
    reason: str | None = None  # why it was killed by `condemn`


@dataclass(frozen=True, slots=True)
class Program(Spec):
    """One supervised process as the supervisor sees it."""

    group: str
    name: str
    state: str  # "starting" (no process yet) | "running" | "stopping" | "stopped" | "backoff" | "failed"
    pid: int  # 0 when there is no process
    started_at: float  # POSIX timestamp; 0 when never
    uptime_seconds: float
    restarts: int
    retry_in_seconds: float | None  # in backoff and failed: until the next start
    last_exit: LastExit | None
    labels: dict[str, Any] = field(default_factory=dict)
    recent_crashes: int = 0  # of the last ten minutes, however long it lived in between

    @property
    def full_name(self) -> str:
        return full_name(self.group, self.name)


@dataclass(frozen=True, slots=True)
class Snapshot(Spec):
    """All programs at one moment. `sequence` grows with every change; `wait` takes it."""

    sequence: int
    pid: int
    uptime_seconds: float
    stopping: bool
    programs: tuple[Program, ...] = ()


class SupervisorClient:
    """Calls are short and idempotent; each opens what it needs, so a client survives the supervisor's
    restart.

    Every method raises SupervisorUnavailable. A client may be used from any thread.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def snapshot(self) -> Snapshot:
        return Snapshot.from_json(self._call("snapshot"))

    def wait(self, after: int, timeout_seconds: float) -> Snapshot:
        """The snapshot as soon as its sequence is above `after`, or at the timeout."""
        answer = self._call(
            "wait", _patience_seconds=timeout_seconds, after=after, timeout_seconds=timeout_seconds
        )
        return Snapshot.from_json(answer)

    def add(self, program: ProgramSpec) -> None:
        """Start it and keep it alive. A program of that name already there is left as it is.

        Raises CallRefused (a ValueError) when it can't be supervised, or when everything is being stopped.
        """
        said = program.to_dict()
        if not program.preload:
            del said["preload"]  # a supervisor that is older than this client has never heard of it
        self._call("add", **said)

    def stop(self, full_name: str, *, kill: bool = False) -> None:
        """SIGTERM, then SIGKILL after its stop_seconds; removed once it is gone. Returns at once. Unknown:
        no-op.
        """
        self._call("stop", full_name=full_name, kill=kill)

    def signal(self, full_name: str, signum: int) -> None:
        """Send it to the process itself. No-op when there is none."""
        self._call("signal", full_name=full_name, signum=signum)

    def condemn(self, full_name: str, pid: int, reason: str) -> None:
        """Kill that very process, and start the program again as after a crash. No-op when it is another."""
        self._call("condemn", full_name=full_name, pid=pid, reason=reason)

    def amend(self, full_name: str, *, stop_seconds: float) -> None:
        """How long it may take to end, from now on. No-op when there is no such program."""
        self._call("amend", full_name=full_name, stop_seconds=stop_seconds)

    def restart_now(self, full_name: str) -> None:
        """End a backoff: start now and forget the crashes so far."""
        self._call("restart_now", full_name=full_name)

    def announce(self, text: str, *, ready: bool) -> None:
        """Pass on to systemd, if that started the supervisor, how it goes, and whether all are ready."""
        self._call("announce", ready=ready, text=text)

    def shutdown(self, *, now: bool = False) -> None:
        """As SIGTERM to `fleet up`: everything stops at once, then the supervisor exits. `now`: as a second
        SIGTERM.
        """
        self._call("shutdown", now=now)

    def _call(self, method: str, *, _patience_seconds: float = 0.0, **arguments: Any) -> str:
        argument = json.dumps(arguments) if arguments else None
        try:
            return rpc_call.call(
                self._socket, f"fleet.{method}", argument, _ANSWER_SECONDS + _patience_seconds
            )
        except OSError as error:
            raise SupervisorUnavailable(f"no supervisor answers on {self._socket}: {error}") from error
