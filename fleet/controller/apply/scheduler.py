"""The scheduler's program: there while the file has schedules, told when they change, replaced by a new version."""

from __future__ import annotations

import signal
import sys
from typing import Protocol

from fleet import __version__
from fleet.controller.atomic_files import write_private
from fleet.controller.observed.schedules import ROLE, read_known, scheduler_program
from fleet.fleet_state import FleetState
from fleet.launch_specs import ProgramSpec, SchedulerLaunch
from fleet.statedir import StateDir
from fleet.supervisor.client import Snapshot

GROUP, NAME = "fleet", "scheduler"
_STOP_SECONDS = 10.0

# As of workers: whether the current folder can be imported from is decided by who started this process.
_COMMAND = (sys.executable, *(("-P",) if sys.flags.safe_path else ()), "-m", "fleet.scheduler")


class Supervisor(Protocol):
    """The part of SupervisorClient that is used here."""

    def add(self, program: ProgramSpec) -> None: ...
    def stop(self, full_name: str, *, kill: bool = False) -> None: ...
    def signal(self, full_name: str, signum: int) -> None: ...


class SchedulerKeeper:
    """Blocks shortly; raises OSError or ValueError when something can't be done, and does it in the next look."""

    def __init__(self, supervisor: Supervisor, state: StateDir) -> None:
        self._supervisor = supervisor
        self._state = state
        self._empty = ""  # the edition of a Celery app that was found to have nothing to schedule

    def tend(self, snapshot: Snapshot, effective: FleetState, source: str) -> None:
        """`source` is the fleet.toml, for error messages."""
        program = scheduler_program(snapshot)
        app = effective.beat_app
        if app is not None and not effective.schedules and program is not None:
            known = read_known(self._state.schedules_known)
            self._empty = app.edition if known.get("empty") and known.get("edition") == app.edition else ""
        if not effective.schedules and (app is None or app.edition == self._empty):
            if program is not None and program.state not in ("stopping", "stopped"):
                self._supervisor.stop(f"{program.group}:{program.name}")
            self._state.schedules_known.unlink(missing_ok=True)
            return
        launch = self._launch(effective, source).to_json()
        changed = self._write(launch)
        if program is None:
            self._supervisor.add(self._program(effective.folder))
        elif program.labels.get("version") != __version__:
            self._supervisor.stop(f"{program.group}:{program.name}")  # the next look starts another
        elif changed and program.pid:
            self._supervisor.signal(f"{program.group}:{program.name}", signal.SIGHUP)

    def _launch(self, effective: FleetState, source: str) -> SchedulerLaunch:
        return SchedulerLaunch(
            fleet=effective.fleet,
            routing=effective.routing,
            schedules=effective.schedules,
            source=source,
            known_file=str(self._state.schedules_known),
            app=effective.beat_app,
        )

    def _write(self, launch: str) -> bool:
        """Whether it is another one than before."""
        try:
            if self._state.scheduler_file.read_text() == launch:
                return False
        except OSError:
            pass  # there is none yet
        write_private(self._state.scheduler_file, launch)
        return True

    def _program(self, folder: str) -> ProgramSpec:
        return ProgramSpec(
            group=GROUP,
            name=NAME,
            command=(*_COMMAND, str(self._state.scheduler_file)),
            directory=folder,
            environment={"FLEET_STATE_DIR": str(self._state.root)},
            log_file=str(self._state.logs / "scheduler.log"),
            stop_seconds=_STOP_SECONDS,
            labels={"role": ROLE, "version": __version__},
        )
