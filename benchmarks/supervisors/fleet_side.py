"""fleet with solo workers of its own, and its defaults."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from benchmarks.supervisors.processes import children, command
from benchmarks.supervisors.side import Side

_FILE = """\
[fleet]
name = "supervision"
app = "work"

[broker]
url = "{broker}"

[queues.work]
workload = "cpu"

[[routes]]
task = "*"
queue = "work"

[workers.w]
queues = ["work"]
pool = "solo"
replicas = {workers}
env = {{ SIZE = "{size}" }}

[rollout]
{rollout}
"""
_APP = "from fleet import task\n\n\n@task\ndef nothing() -> None:\n    pass\n"


class Fleet(Side):
    name = "fleet"
    worker_word = "fleet.worker"
    rollout = ""

    def prepare(self) -> None:
        (self.folder / "work.py").write_text(_APP)
        self.logs = self.folder / ".fleet" / "logs"
        self._program = Path(sys.executable).with_name("fleet")
        self._workers = 0

    def start(self, workers: int) -> None:
        self._workers = workers
        self._write(1)
        self.run_daemon([self._program, "up"])

    def supervising(self) -> set[int]:
        assert self.daemon is not None
        others = {pid for pid in children(self.daemon.pid) if self.worker_word not in command(pid)}
        return {self.daemon.pid, *others}

    def workers(self) -> set[int]:
        assert self.daemon is not None
        return {pid for pid in children(self.daemon.pid) if self.worker_word in command(pid)}

    def restart(self) -> None:
        self.tell([self._program, "restart", "w"])

    def save(self, size: int) -> None:
        self._write(size)

    def stop(self) -> None:
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGTERM)

    def _write(self, size: int) -> None:
        text = _FILE.format(broker=self.broker, workers=self._workers, size=size, rollout=self.rollout)
        (self.folder / "fleet.toml").write_text(text)


class HastyFleet(Fleet):
    """As the others roll: it takes a new worker for a good one at once."""

    name = "fleet, hasty"
    rollout = 'max_surge = 4\nmin_ready = "0s"'
