"""A small project and `fleet` commands in it, for the tests of up and down."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fleet.statedir import StateDir
from fleet.supervisor import lock
from fleet.supervisor.client import Program, Snapshot, SupervisorClient
from tests.support import ROOT, alive, descendants, eventually

TOML = """\
[fleet]
name = "shop"
app = "shop_tasks"

[broker]
url = "{url}"

[queues.q]
workload = "io"

[[routes]]
task = "*"
queue = "q"

[workers.w]
queues = ["q"]
pool = "solo"
replicas = {replicas}
grace_period = "60s"
"""


class Project:
    """A folder with fleet.toml: one group `w` of solo workers on the embedded broker."""

    def __init__(self, folder: Path, *, url: str = "sqlite:///.fleet/broker.db", replicas: int = 1) -> None:
        self.folder = folder
        (folder / "fleet.toml").write_text(TOML.format(url=url, replicas=replicas))
        (folder / "shop_tasks.py").write_text("print('imported', flush=True)\n")
        self.state = StateDir(folder / ".fleet")
        self.client = SupervisorClient(self.state.supervisor_socket)
        self.environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        self.environment.pop("FLEET_FILE", None)
        self.seen: set[int] = set()

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fleet", *arguments],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def snapshot(self) -> Snapshot:
        snapshot = self.client.snapshot()
        self.seen |= {snapshot.pid} | descendants(snapshot.pid)
        return snapshot

    def workers(self) -> list[Program]:
        return [p for p in self.snapshot().programs if p.labels.get("role") == "worker" and p.pid]

    def log(self) -> str:
        return "".join(path.read_text() for path in sorted(self.state.logs.glob("w.*.log")))

    def working(self) -> list[Program]:
        """The workers, once one has imported the app."""
        eventually(lambda: "imported" in self.log(), message="a worker imports the app")
        return self.workers()

    def end(self) -> None:
        pid = lock.holder(self.state)
        if pid:
            self.seen |= {pid} | descendants(pid)
            for path in self.seen:
                if alive(path):
                    os.kill(path, signal.SIGKILL)
        eventually(lambda: not any(alive(pid) for pid in self.seen), message="nothing left")


@contextmanager
def foreground(
    project: Project, stdout: Path, stderr: Path, *arguments: str
) -> Iterator[subprocess.Popen[bytes]]:
    """`fleet up` as in a terminal: a process group of its own, so that a Ctrl-C can be sent to all of it."""
    with stdout.open("wb") as out, stderr.open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "fleet", "up", *arguments],
            cwd=project.folder,
            env=project.environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        project.seen |= descendants(process.pid)
        if process.poll() is None:
            process.kill()
        process.wait()
        project.end()
