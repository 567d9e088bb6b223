"""Carries out a plan's actions: launch files and logs on disk, programs at the supervisor."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol
from uuid import uuid4

from fleet.control import Command
from fleet.controller.commandlines import preload_command, worker_command
from fleet.controller.desired import Accepted, Group
from fleet.controller.files import write_private
from fleet.controller.handover import Handover
from fleet.controller.observe import worker_programs
from fleet.controller.plan import Action, Drain, Kill, Start, Tell
from fleet.controller.slotfiles import Slot, last_serials, superfluous_logs
from fleet.spec import ProgramSpec, WorkerLaunch
from fleet.statedir import StateDir
from fleet.supervisor.client import Snapshot

STOP_MARGIN_SECONDS = 5.0
"""On top of the grace period: who keeps its word ends by itself, only one that hangs is killed."""


class Supervisor(Protocol):
    """The part of SupervisorClient that is used here."""

    def snapshot(self) -> Snapshot: ...
    def add(self, program: ProgramSpec) -> None: ...
    def stop(self, full_name: str, *, kill: bool = False) -> None: ...
    def condemn(self, full_name: str, pid: int, reason: str) -> None: ...
    def amend(self, full_name: str, *, stop_seconds: float) -> None: ...


Send = Callable[[int, Command], object]
"""To the worker with that pid, if it is connected."""


class Hands:
    """What the brain acts with. Methods block shortly and raise OSError or ValueError when they can't."""

    def __init__(self, supervisor: Supervisor, state: StateDir, send: Send) -> None:
        """`send` may be called from any thread."""
        self._supervisor = supervisor
        self._state = state
        self._handover = Handover(state)
        self._send = send
        # A launch file is there a moment before its program is: nobody may tidy up in between.
        self._starting = threading.Lock()

    def carry_out(self, actions: Sequence[Action], desired: Accepted) -> list[str]:
        """One after the other. What could not be done, and why."""
        failed = []
        with self._starting:
            starts = any(isinstance(action, Start) for action in actions)
            serials = self._serials() if starts else Counter()
            for action in actions:
                try:
                    self._carry_out(action, desired, serials)
                except (OSError, ValueError) as error:
                    failed.append(f"{action.group}/{action.replica}: {error}")
        return failed

    def _serials(self) -> Counter[Slot]:
        """The last one of each slot, in use or with files that are still there."""
        programs = worker_programs(self._supervisor.snapshot())
        return last_serials(programs, [*self._state.logs.glob("*"), *self._state.specs.glob("*")])

    def _carry_out(self, action: Action, desired: Accepted, serials: Counter[Slot]) -> None:
        match action:
            case Start():
                group = desired.group(action.group)
                assert group is not None, "a plan starts declared groups only"
                serials[group.name, action.replica] += 1
                self._start(group, action.replica, serials[group.name, action.replica], desired.folder)
            case Drain():
                self._supervisor.stop(action.name, kill=action.kill)
            case Kill():
                self._supervisor.condemn(action.name, action.pid, action.reason)
            case Tell():
                group = desired.group(action.group)
                assert group is not None, "a plan tells workers of declared groups only"
                self.tell(action, group)

    def _start(self, group: Group, replica: int, serial: int, folder: str) -> None:
        """A worker of `group` in slot `replica`, under a serial that the slot has not had before."""
        slot = f"{group.name}.{replica}.{serial}"
        token = uuid4().hex[:12]
        launch_file = self._state.specs / f"{slot}.json"
        launch = self._launch(group, replica, token)
        write_private(launch_file, launch.to_json())
        handed = self._handover.launch_file(launch, launch_file)
        routing = self._handover.routing_file(group.spec.user)
        labels = {
            "role": "worker",
            "group": group.name,
            "replica": replica,
            "serial": serial,
            "revision": group.revision,
            "launch_file": str(launch_file),
            "token": token,
        }
        self._supervisor.add(
            ProgramSpec(
                group=group.name,
                name=f"{replica}.{serial}",
                command=worker_command(handed),
                directory=folder,
                environment={**group.spec.environment, "FLEET_ROUTING": str(routing)},
                log_file=str(self._state.logs / f"{slot}.log"),
                stop_seconds=group.spec.grace_period_seconds + STOP_MARGIN_SECONDS,
                nice=group.spec.nice,
                user=group.spec.user,
                labels=labels,
                preload=preload_command(group.spec, group.edition),
            )
        )

    def _launch(self, group: Group, replica: int, token: str) -> WorkerLaunch:
        return WorkerLaunch(
            worker=f"{group.name}/{replica}",
            replica=replica,
            revision=group.revision,
            spec=group.spec,
            control_socket=str(self._state.control_socket),
            routing_file=str(self._state.routing_file),
            live_revision=group.live_revision,
            paused_queues=group.paused,
            token=token,
        )

    def restore(self, desired: Accepted) -> None:
        """Write the launch files of running workers that somebody has deleted: they may have to start again."""
        for program in worker_programs(self._supervisor.snapshot()):
            group, file = desired.group(program.group), Path(str(program.labels["launch_file"]))
            same = group is not None and group.revision == program.labels["revision"]
            if group is not None and same and not file.exists():
                replica, token = int(program.labels["replica"]), str(program.labels.get("token", ""))
                launch = self._launch(group, replica, token)
                write_private(file, launch.to_json())
                self._handover.launch_file(launch, file)

    def tell(self, action: Tell, group: Group) -> None:
        """Now, and for when the supervisor starts it again."""
        file = self._state.specs / f"{action.group}.{action.replica}.{action.serial}.json"
        launch = WorkerLaunch.from_json(file.read_text())
        if action.do == "configure":
            spec = replace(launch.spec, **group.spec.live_settings)
            launch = replace(launch, spec=spec, live_revision=group.live_revision)
            stop_seconds = group.spec.grace_period_seconds + STOP_MARGIN_SECONDS
            self._supervisor.amend(action.name, stop_seconds=stop_seconds)
            arguments = {"revision": group.live_revision, "settings": group.spec.live_settings}
        else:
            launch = replace(launch, paused_queues=group.paused)
            arguments = {"queues": list(group.paused)}
        write_private(file, launch.to_json())
        self._handover.launch_file(launch, file)
        self._send(action.pid, Command(action.do, arguments))

    def declare(self, desired: Accepted) -> None:
        """Write down what is accepted, and the routing that producers read."""
        write_private(self._state.accepted_config, desired.to_json())
        routing = desired.routing.to_json()
        with suppress(OSError):
            if self._state.routing_file.read_text() == routing:
                return  # its mtime tells producers that it changed
        write_private(self._state.routing_file, routing)
        self._handover.renew_routing(routing)

    def tidy(self) -> None:
        """Remove launch files of programs that are gone, and all but the last logs of each slot."""
        with self._starting:
            self._tidy()

    def _tidy(self) -> None:
        programs = list(worker_programs(self._supervisor.snapshot()))
        used = {str(program.labels.get("launch_file")) for program in programs}
        for path in self._state.specs.glob("*.json"):
            if str(path) not in used:
                path.unlink(missing_ok=True)
        self._handover.tidy()
        running = {(program.group, program.name) for program in programs}
        for path in superfluous_logs(self._state.logs.iterdir(), running):
            path.unlink(missing_ok=True)
