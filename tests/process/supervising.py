"""A real supervisor for a test, with tiny programs in place of controller and workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fleet.launch_specs import ProgramSpec
from fleet.statedir import StateDir
from fleet.supervisor.client import Program, Snapshot, SupervisorClient, SupervisorUnavailable
from tests.support import ROOT, alive, descendants, eventually

SLEEP = ("/bin/sh", "-c", "exec sleep 1000")
STUBBORN = ("/bin/sh", "-c", "trap '' TERM INT; echo stubborn; while :; do sleep 0.05; done")


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", code)


class Supervised:
    """`with supervised(folder) as sup:` a supervisor whose first program, fleet:controller, only sleeps."""

    def __init__(self, folder: Path) -> None:
        self.state = StateDir(folder)
        self.state.create()
        self.client = SupervisorClient(self.state.supervisor_socket)
        self.process: subprocess.Popen[bytes] | None = None
        self.seen: set[int] = set()

    def program(
        self, name: str, command: tuple[str, ...] = SLEEP, *, group: str = "g", **more: Any
    ) -> ProgramSpec:
        settings: dict[str, Any] = {"directory": "/", "environment": {}, "stop_seconds": 30.0, **more}
        log = str(self.state.logs / f"{group}.{name}.log")
        return ProgramSpec(group=group, name=name, command=command, log_file=log, **settings)

    def start(self, controller: tuple[str, ...] = SLEEP) -> None:
        first = self.program("controller", controller, group="fleet", labels={"role": "controller"})
        self.process = subprocess.Popen(
            [sys.executable, "-m", "fleet.supervisor", str(self.state.root), first.to_json()],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        eventually(self.answers, message="the supervisor answers")

    def answers(self) -> bool:
        try:
            return self.client.snapshot().pid > 0
        except SupervisorUnavailable:
            return False

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid

    def add(self, name: str, command: tuple[str, ...] = SLEEP, **more: Any) -> Program:
        """Add it and wait until it runs."""
        self.client.add(self.program(name, command, **more))
        return self.running(f"{more.get('group', 'g')}:{name}")

    def snapshot(self) -> Snapshot:
        self.seen |= descendants(self.pid)
        return self.client.snapshot()

    def find(self, full_name: str) -> Program | None:
        programs = {f"{p.group}:{p.name}": p for p in self.snapshot().programs}
        return programs.get(full_name)

    def get(self, full_name: str) -> Program:
        program = self.find(full_name)
        assert program is not None, f"{full_name} is not there"
        return program

    def running(self, full_name: str, *, other_than: int = 0) -> Program:
        return self.until(full_name, lambda p: p.state == "running" and p.pid not in (0, other_than))

    def until(self, full_name: str, condition: Callable[[Program], bool]) -> Program:
        def satisfied() -> Program | None:
            program = self.get(full_name)
            return program if condition(program) else None

        found = eventually(satisfied, message=f"{full_name} as expected")
        assert found is not None
        return found

    def log(self, name: str, group: str = "g") -> str:
        path = self.state.logs / f"{group}.{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def prints(self, name: str, text: str, group: str = "g") -> None:
        eventually(lambda: text in self.log(name, group), message=f"{name} prints {text!r}")

    def own_log(self) -> str:
        return (self.state.logs / "supervisord.log").read_text()

    def ends(self, within: float = 15.0) -> int:
        assert self.process is not None
        return self.process.wait(within)

    def destroy(self) -> None:
        """End it as a user in a hurry would; who is still there then has escaped, and is killed."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.seen |= descendants(self.pid)
            self.process.terminate()
            eventually(self._stopping_or_gone)
            self.process.terminate()
            self.ends()
        for pid in filter(alive, self.seen):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not any(alive(pid) for pid in self.seen), message="all is gone")

    def _stopping_or_gone(self) -> bool:
        try:
            return self.client.snapshot().stopping
        except SupervisorUnavailable:
            return True


@contextmanager
def supervised(folder: Path, controller: tuple[str, ...] = SLEEP) -> Iterator[Supervised]:
    supervisor = Supervised(folder)
    try:
        supervisor.start(controller)
        yield supervisor
    finally:
        supervisor.destroy()
