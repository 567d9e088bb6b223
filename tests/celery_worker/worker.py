"""Starts, kills and asks Celery's worker on one of fleet's kombu transports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support import ROOT, eventually

CONCURRENCY = 4


@dataclass
class CeleryShop:
    """One app with its workers and clients, as processes of `python`, the interpreter that has Celery."""

    python: str
    folder: Path
    settings: dict[str, Any]
    pool: str
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.folder / "worker.log"

    def _environment(self) -> dict[str, str]:
        paths = {"journal": str(self.folder / "journal"), "gate": str(self.folder / "gate")}
        settings = {**paths, "prefetch": 1, **self.settings}
        return {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "CELERY_WORKER_SETTINGS": json.dumps(settings),
        }

    def start(self) -> subprocess.Popen[bytes]:
        """A worker, once it says that it is ready."""
        number = len(self.workers)
        command = f"-m celery -A tests.celery_worker.app worker -l INFO -P {self.pool} -c {CONCURRENCY} -n w{number}@%h"
        before = self.words().count(" ready.")
        with self.log.open("ab") as log:
            worker = subprocess.Popen(
                [self.python, *command.split()],
                cwd=ROOT,
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.workers.append(worker)

        def is_ready() -> bool:
            assert worker.poll() is None, self.words()[-3000:]
            return self.words().count(" ready.") > before

        eventually(is_ready, 90, "Celery is ready")
        return worker

    def words(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def journal(self) -> list[str]:
        journal = self.folder / "journal"
        return journal.read_text().splitlines() if journal.exists() else []

    def open_gate(self) -> None:
        """Tasks that wait for it end."""
        (self.folder / "gate").touch()

    def ask(self, story: str) -> Any:
        """What a client saw."""
        done = subprocess.run(
            [self.python, "-m", "tests.celery_worker.client", story],
            cwd=ROOT,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, f"{done.stderr[-2000:]}\n--- worker:\n{self.words()[-3000:]}"
        return json.loads(done.stdout.splitlines()[-1])

    def kill(self, worker: subprocess.Popen[bytes]) -> None:
        """With all its processes, by SIGKILL."""
        with suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait(30)

    def stop(self) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.terminate()
        for worker in self.workers:
            with suppress(subprocess.TimeoutExpired):
                worker.wait(30)
            self.kill(worker)
