"""All programs of this supervisor: added, stopped and removed one at a time, and the one number that says
"changed".
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from supervisor.options import ProcessGroupConfig
from supervisor.states import STOPPED_STATES

from fleet.launch_specs import ProgramSpec
from fleet.supervisor import settings
from fleet.supervisor.client import Snapshot
from fleet.supervisor.process import NEVER, ManagedProcess

if TYPE_CHECKING:
    from fleet.supervisor.options import EngineOptions

# Supervisord stops the group with the highest number first.
_FIRST_PRIORITY, _PRIORITY = 0, 999


class Programs:
    """Supervisord's groups and processes, seen as one flat set of programs.

    `first` is there from the start. It gets SIGHUP, and on shutdown it is stopped when all others are gone,
    because it watches over them until then.
    """

    def __init__(self, options: EngineOptions, supervisord: Any, first: ProgramSpec) -> None:
        self.sequence = 1
        self._options = options
        self._supervisord = supervisord
        self._first = first.full_name
        self._began = time.monotonic()
        options.changed = self.changed
        self.add(first)

    def __iter__(self) -> Iterator[ManagedProcess]:
        for group in list(self._supervisord.process_groups.values()):
            yield from list(group.processes.values())

    def add(self, spec: ProgramSpec) -> None:
        """Add a program, which starts in this pass of the main loop. Raises ValueError when it can't be supervised."""
        settings.check(spec)
        if self._options.stopping:
            raise ValueError(f"{spec.full_name}: this fleet is stopping")
        if self.find(spec.full_name) is not None:
            return
        config = settings.ManagedConfig(self._options, spec)
        group = self._supervisord.process_groups.get(spec.group)
        if group is None:
            priority = _FIRST_PRIORITY if spec.full_name == self._first else _PRIORITY
            self._supervisord.add_process_group(
                ProcessGroupConfig(self._options, spec.group, priority, [config])
            )
        else:
            group.processes[config.name] = config.make_process(group)
        if spec.preload:
            self._tend_zygotes()  # before it starts
        self.changed()

    def find(self, full_name: str) -> ManagedProcess | None:
        group_name, _, name = full_name.partition(":")
        group = self._supervisord.process_groups.get(group_name)
        return None if group is None else group.processes.get(f"{group_name}.{name}")

    def remove(self, full_name: str, *, kill: bool) -> None:
        """Stop it, and forget it when it is gone."""
        process = self.find(full_name)
        if process is None:
            return
        process.removing = True
        if kill:
            process.kill_now()
        else:
            process.stop()
        self.changed()

    def stop_all(self) -> None:
        """Everything at the same time, except the first."""
        for process in self:
            if process.spec.full_name != self._first:
                process.stop()

    def longest_stop_seconds(self) -> float:
        """Until all are gone if nobody hurries them: the first waits for all others."""
        first = self.find(self._first)
        others = (process.spec.stop_seconds for process in self if process is not first)
        return max(others, default=0.0) + (first.spec.stop_seconds if first is not None else 0.0)

    def hurry_all(self) -> None:
        self._options.hurried = True
        for process in self:
            process.hurry()

    def hang_up(self) -> None:
        """Pass SIGHUP on to the first program."""
        process = self.find(self._first)
        if process is not None and process.pid:
            os.kill(process.pid, signal.SIGHUP)

    def tend(self) -> None:
        """What is due between two passes of the main loop, which iterates over the dictionaries changed
        here.
        """
        for process in self:
            if process.removing and process.state in STOPPED_STATES:
                self._forget(process)
        self._tend_zygotes()
        if self._options.stopping:
            self._stop_first_at_the_end()

    def deadline(self) -> float:
        """When the main loop has something to do next (monotonic seconds)."""
        return min((process.deadline() for process in self), default=NEVER)

    def snapshot(self) -> Snapshot:
        return Snapshot(
            sequence=self.sequence,
            pid=self._options.pid,
            uptime_seconds=time.monotonic() - self._began,
            stopping=self._options.stopping,
            programs=tuple(process.shown() for process in self),
        )

    def _tend_zygotes(self) -> None:
        """Tend the zygotes; programs that are leaving need none."""
        staying = () if self._options.stopping else (each for each in self if not each.removing)
        self._options.zygotes.tend({each.kind: each.spec for each in staying if each.kind})

    def _forget(self, process: ManagedProcess) -> None:
        process.log.close()
        group = process.group
        del group.processes[process.config.name]
        if not group.processes:
            self._supervisord.remove_process_group(process.spec.group)
        self.changed()

    def _stop_first_at_the_end(self) -> None:
        others = (process for process in self if process.spec.full_name != self._first)
        first = self.find(self._first)
        if first is not None and all(process.state in STOPPED_STATES for process in others):
            first.stop()

    def changed(self) -> None:
        """Called by whatever changes anything that a snapshot shows."""
        self.sequence += 1
