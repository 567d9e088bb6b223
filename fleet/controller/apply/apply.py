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
from fleet.controller.apply.slot_files import Slot, last_serials, superfluous_logs
from fleet.controller.apply.user_copies import UserCopies
from fleet.controller.apply.worker_command import preload_command, worker_command
from fleet.controller.atomic_files import why, write_private
from fleet.controller.log.failures import Failed
from fleet.controller.rollout.plan import Action, Drain, Kill, Start, Tell
from fleet.fleet_state import FleetState, Group
from fleet.launch_specs import ProgramSpec, WorkerLaunch
from fleet.program_labels import WorkerLabels, workers
from fleet.slot_names import SlotFile, program_name, slot_name
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


_VERBS = {Start: "start", Drain: "drain", Kill: "end", Tell: "write down what was told to"}


class Applier:
    """What the reconciler acts with. Methods block shortly and raise OSError or ValueError when they can't."""

    def __init__(self, supervisor: Supervisor, state: StateDir, send: Send) -> None:
        """`send` may be called from any thread."""
        self._supervisor = supervisor
        self._state = state
        self._handover = UserCopies(state)
        self._send = send
        # A launch file is there a moment before its program is: nobody may tidy up in between.
        self._starting = threading.Lock()

    def carry_out(self, actions: Sequence[Action], effective: FleetState) -> list[Failed]:
        """One after the other. What could not be done, and why."""
        failed = []
        with self._starting:
            starts = any(isinstance(action, Start) for action in actions)
            serials = self._serials() if starts else Counter()
            for action in actions:
                try:
                    self._carry_out(action, effective, serials)
                except (OSError, ValueError) as error:
                    failed.append(
                        Failed(
                            f"{_VERBS[type(action)]} {slot_name(action.group, action.replica)}",
                            why(error),
                            action.group,
                        )
                    )
        return failed

    def _serials(self) -> Counter[Slot]:
        """The last one of each slot, in use or with files that are still there."""
        programs = workers(self._supervisor.snapshot().programs)
        return last_serials(programs, [*self._state.logs.glob("*"), *self._state.specs.glob("*")])

    def _carry_out(self, action: Action, effective: FleetState, serials: Counter[Slot]) -> None:
        match action:
            case Start():
                group = effective.group(action.group)
                assert group is not None, "a plan starts declared groups only"
                serials[group.name, action.replica] += 1
                self._start(group, action.replica, serials[group.name, action.replica], effective.folder)
            case Drain():
                self._supervisor.stop(action.name, kill=action.kill)
            case Kill():
                self._supervisor.condemn(action.name, action.pid, action.reason)
            case Tell():
                group = effective.group(action.group)
                assert group is not None, "a plan tells workers of declared groups only"
                self.tell(action, group)

    def _start(self, group: Group, replica: int, serial: int, folder: str) -> None:
        """A worker of `group` in slot `replica`, under a serial that the slot has not had before."""
        token = uuid4().hex[:12]
        launch_file = self._launch_file(group.name, replica, serial)
        launch = self._launch(group, replica, token)
        write_private(launch_file, launch.to_json())
        handed = self._handover.launch_file(launch, launch_file)
        routing = self._handover.routing_file(group.spec.user)
        labels = WorkerLabels(group.name, replica, serial, group.revision, str(launch_file), token)
        self._supervisor.add(
            ProgramSpec(
                group=group.name,
                name=program_name(replica, serial),
                command=worker_command(handed),
                directory=folder,
                environment={
                    **group.spec.environment,
                    "FLEET_ROUTING": str(routing),
                    "FLEET_STATE_DIR": str(self._state.root),
                },
                log_file=str(self._state.logs / str(SlotFile(group.name, replica, serial, "log"))),
                stop_seconds=group.spec.grace_period_seconds + STOP_MARGIN_SECONDS,
                nice=group.spec.nice,
                user=group.spec.user,
                labels=labels.to_dict(),
                preload=preload_command(group.spec, group.edition),
            )
        )

    def _launch(self, group: Group, replica: int, token: str) -> WorkerLaunch:
        return WorkerLaunch(
            worker=slot_name(group.name, replica),
            replica=replica,
            revision=group.revision,
            spec=group.spec,
            control_socket=str(self._state.control_socket),
            routing_file=str(self._state.routing_file),
            live_revision=group.live_revision,
            paused_queues=group.paused,
            token=token,
        )

    def _launch_file(self, group: str, replica: int, serial: int) -> Path:
        return self._state.specs / str(SlotFile(group, replica, serial, "json"))

    def restore(self, effective: FleetState) -> None:
        """Write the launch files of running workers that somebody has deleted: they may have to start again."""
        for program in workers(self._supervisor.snapshot().programs):
            labels = WorkerLabels.of(program)
            group, file = effective.group(labels.group), Path(labels.launch_file)
            same = group is not None and group.revision == labels.revision
            if group is not None and same and not file.exists():
                launch = self._launch(group, labels.replica, labels.token)
                write_private(file, launch.to_json())
                self._handover.launch_file(launch, file)

    def tell(self, action: Tell, group: Group) -> None:
        """Now, and for when the supervisor starts it again."""
        file = self._launch_file(action.group, action.replica, action.serial)
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
        # First: a worker does as it is told also on a full disk. If it starts again by the old file before that can be
        # written, its report shows it, and it is told again.
        self._send(action.pid, Command(action.do, arguments))
        write_private(file, launch.to_json())
        self._handover.launch_file(launch, file)

    def declare(self, declared: FleetState) -> None:
        """Write down what is accepted, and the routing that producers read."""
        write_private(self._state.accepted_config, declared.to_json())
        routing = declared.routing.to_json()
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
        programs = workers(self._supervisor.snapshot().programs)
        used = {WorkerLabels.of(program).launch_file for program in programs}
        for path in self._state.specs.glob("*.json"):
            if str(path) not in used:
                path.unlink(missing_ok=True)
        self._handover.tidy()
        running = {(program.group, program.name) for program in programs}
        for path in superfluous_logs(self._state.logs.iterdir(), running):
            path.unlink(missing_ok=True)
