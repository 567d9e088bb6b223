"""The dashboard's program: there while the file has `[dashboard]`, another one when that or the version changes."""

from __future__ import annotations

import sys
from pathlib import Path

from fleet import __version__
from fleet.controller.apply.scheduler import Supervisor
from fleet.controller.atomic_files import write_private
from fleet.fleet_state import FleetState
from fleet.launch_specs import DashboardLaunch, ProgramSpec
from fleet.program_labels import DASHBOARD, dashboard
from fleet.statedir import StateDir
from fleet.supervisor.client import Snapshot
from fleet.working_folder import expanded

GROUP, NAME = "fleet", "dashboard"
_STOP_SECONDS = 10.0

# As of workers: whether the current folder can be imported from is decided by who started this process.
_COMMAND = (sys.executable, *(("-P",) if sys.flags.safe_path else ()), "-m", "fleet.dashboard")


class DashboardKeeper:
    """Blocks shortly; raises OSError or ValueError when something can't be done, and does it in the next look."""

    def __init__(self, supervisor: Supervisor, state: StateDir) -> None:
        self._supervisor = supervisor
        self._state = state

    def tend(self, snapshot: Snapshot, effective: FleetState) -> None:
        program = dashboard(snapshot.programs)
        launch = self._launch(effective)
        if launch is None:
            self._state.dashboard_file.unlink(missing_ok=True)
        labels = {**DASHBOARD, "version": __version__, "launch": launch.to_json() if launch else ""}
        if program is not None and (launch is None or program.labels != labels):
            if program.state not in ("stopping", "stopped"):
                self._supervisor.stop(f"{program.group}:{program.name}")  # the next look starts another
        elif program is None and launch is not None:
            write_private(self._state.dashboard_file, launch.to_json())
            self._supervisor.add(self._program(effective.folder, labels))

    def _launch(self, effective: FleetState) -> DashboardLaunch | None:
        table = effective.dashboard
        if table is None:
            return None
        folder, (scheme, _, socket) = Path(effective.folder), table.listen.partition(":")
        tokens = self._state.dashboard_tokens
        return DashboardLaunch(
            fleet=effective.fleet,
            state_dir=str(self._state.root),
            listen=f"unix:{folder / socket}" if scheme == "unix" else table.listen,
            token_file=str(folder / expanded(table.token_file) if table.token_file else tokens),
            hosts=table.hosts,
            root_path=table.root_path,
            trusted_proxies=table.trusted_proxies,
            arguments=table.arguments,
        )

    def _program(self, folder: str, labels: dict[str, str]) -> ProgramSpec:
        return ProgramSpec(
            group=GROUP,
            name=NAME,
            command=(*_COMMAND, str(self._state.dashboard_file)),
            directory=folder,
            environment={"FLEET_STATE_DIR": str(self._state.root)},
            log_file=str(self._state.logs / "dashboard.log"),
            stop_seconds=_STOP_SECONDS,
            labels=labels,
        )
