"""Two Celery workers under fire, kept alive as systemd would do it, in a venv made from celery_requirements.txt."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from tests.chaos.messages import Work
from tests.chaos.processes import Process, kill, kill_family, processes
from tests.chaos.schedule import Fault
from tests.support import ROOT, alone, eventually, unique

KINDS = ("worker", "child", "restart", "crash", "cut", "freeze", "half_open", "refuse")
"""What can be done to both, Celery and fleet."""

_WORKERS = ("w0", "w1")
_REQUIREMENTS = Path(__file__).with_name("celery_requirements.txt")


def venv() -> Path:
    """Its Python; made at first use, below .chaos/."""
    folder = ROOT / ".chaos" / "celery"
    python = folder / "bin" / "python"
    stamp = folder / "made-from.txt"
    with alone(folder.parent):
        if not stamp.exists() or stamp.read_text() != _REQUIREMENTS.read_text():
            _make(folder, python)
            stamp.write_text(_REQUIREMENTS.read_text())
    return python


def _make(folder: Path, python: Path) -> None:
    """By the pip of this Python from outside: not every Python has what a venv's own pip is made from."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)], check=True)
    base = getattr(sys, "_base_executable", sys.executable)
    pip = [base, "-m", "pip", "--python", str(python), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "-r", str(_REQUIREMENTS)], check=True)


class CeleryUnderFire:
    """See Side. `reject`: with task_reject_on_worker_lost."""

    def __init__(self, folder: Path, url: str, *, reject: bool) -> None:
        self._folder = folder
        self._url = url
        self._python = str(venv())
        self._mark = f"CHAOS_RUN={unique('run')}"
        self._environment = {
            **os.environ,
            **dict([self._mark.split("=")]),
            **self.publishing(),
            "CHAOS_REJECT": "1" if reject else "0",
            "PYTHONPATH": str(ROOT),
        }
        self._workers: dict[str, subprocess.Popen[bytes]] = {}

    def publishing(self) -> dict[str, str]:
        return {
            "CHAOS_BROKER": self._url,
            "CHAOS_JOURNAL": str(self._folder / "journal"),
            "CHAOS_REJECT": "0",
        }

    def start(self) -> None:
        for name in _WORKERS:
            self._start(name)
        log = self.words()
        eventually(lambda: log.read_text(errors="replace").count(" ready.") >= 2, 60, "Celery is ready")

    def _start(self, name: str) -> None:
        command = (
            "-m celery --app tests.chaos.celery_app worker --pool prefork --concurrency 2 --loglevel INFO"
        )
        with self.words().open("ab") as log:
            self._workers[name] = subprocess.Popen(
                [self._python, *command.split(), "--hostname", f"{name}@%h"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def processes(self) -> list[Process]:
        return processes(self._mark)

    def strike(self, fault: Fault) -> frozenset[int]:
        def candidates() -> list[int]:
            mains = [worker.pid for worker in self._workers.values() if worker.poll() is None]
            if fault.kind == "worker":
                return mains
            return [each.pid for each in self.processes() if each.parent in mains and each.role == "child"]

        there = eventually(candidates, within=60, message=f"a {fault.kind} to kill")
        victim = there[int(fault.pick * len(there))]
        return frozenset(kill_family(victim, self.processes))

    def tend(self) -> None:
        """Start again what has ended, however it ended; what it left behind ends with it."""
        for name, worker in list(self._workers.items()):
            if worker.poll() is not None:
                with suppress(ProcessLookupError):
                    os.killpg(worker.pid, signal.SIGKILL)
                self._start(name)

    def rescue(self) -> None:
        """What a person would do who looks at it now; `tend` starts them again."""
        for worker in self._workers.values():
            kill(worker.pid)

    def publisher(self, work: Work) -> list[str]:
        return [self._python, "-m", "tests.chaos.celery_app", str(self._folder), json.dumps(asdict(work))]

    def stop(self) -> None:
        for worker in self._workers.values():
            worker.terminate()
        for worker in self._workers.values():
            with suppress(subprocess.TimeoutExpired):
                worker.wait(60)

    def left_over(self) -> list[Process]:
        return self.processes()

    def kill_all(self) -> None:
        for process in self.processes():
            kill(process.pid)

    def words(self) -> Path:
        return self._folder / "celery.log"
