"""A real fleet on the embedded broker for tests that edit its file or kill its parts."""

from __future__ import annotations

import textwrap
import time
from pathlib import Path
from typing import Any

from fleet.cli.running.status_source import fetch
from fleet.statedir import StateDir
from tests.running import RunningFleet
from tests.support import eventually

TASKS = """
import os, time

def wait(path):
    time.sleep(0.01)
"""

FILE = """\
[fleet]
name = "following"
app = "work"

[queues.io]
workload = "io"

[queues.other]

[[routes]]
task = "other.*"
queue = "other"

[[routes]]
task = "*"
queue = "io"

[workers.http]
queues = ["io"]
pool = "threads"
concurrency = 3
replicas = 2

[workers.lone]
queues = ["other"]
pool = "solo"

[rollout]
min_ready = "200ms"
progress_deadline = "20s"
"""


class Following(RunningFleet):
    """`with Following(folder) as fleet:` two threads workers `http`, one solo worker `lone`."""

    def __init__(self, folder: Path, text: str = FILE, app: str = TASKS, **more: Any) -> None:
        super().__init__(folder, **more)
        self.state = StateDir(folder / ".fleet")
        self.file.write_text(text)
        (folder / "work.py").write_text(textwrap.dedent(app))

    def status(self) -> dict[str, Any]:
        """As `fleet status --json`, without a process for each look."""
        from tests.support import descendants

        status = fetch(self.file, self.state)
        assert status is not None, f"not running\n{self.tail()}"
        self.seen |= descendants(self.pid)
        return status

    def group(self, name: str) -> dict[str, Any]:
        found = [group for group in self.status()["groups"] if group["name"] == name]
        assert found, f"no group {name} yet"
        return found[0]

    def edit(self, old: str, new: str) -> None:
        text = self.file.read_text()
        assert old in text
        self.file.write_text(text.replace(old, new))

    def workers(self) -> dict[str, dict[str, Any]]:
        """The ready workers by id; two of one id (in a rollout) are an AssertionError."""
        ready = [
            worker
            for group in self.status()["groups"]
            for worker in group["workers"]
            if worker["state"] == "ready"
        ]
        by_id = {worker["id"]: worker for worker in ready}
        assert len(by_id) == len(ready), "a slot has two ready workers"
        return by_id

    def by_pid(self) -> dict[str, int]:
        return {name: worker["pid"] for name, worker in self.workers().items()}

    def pass_time(self, seconds: float) -> None:
        """When the thing to be tested is that nothing happens by then."""
        time.sleep(seconds)

    def settled(self, *names: str, within: float = 15.0) -> dict[str, int]:
        """Pids by id once exactly these workers are ready and nobody else is left."""

        def reached() -> dict[str, int] | None:
            every = [worker for group in self.status()["groups"] for worker in group["workers"]]
            pids = self.by_pid()
            return pids if sorted(pids) == sorted(names) and len(every) == len(names) else None

        found = eventually(reached, within=within, message=f"exactly {names}")
        assert found is not None
        return found

    def events(self) -> str:
        return (self.state.logs / "controller.log").read_text()

    def log(self, slot: str) -> str:
        return (self.state.logs / f"{slot}.log").read_text()

    def says(self, text: str, within: float = 10.0) -> None:
        eventually(lambda: text in self.events(), within=within, message=f"the log says {text!r}")
