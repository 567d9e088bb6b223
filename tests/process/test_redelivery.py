"""A dead worker's deliveries come back through the controller, which is told of the death: no lease is waited for."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.process.following import Following
from tests.running import PRELOADED
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

FILE = """\
[fleet]
name = "redelivery"
app = "work"

[broker]
url = "{url}"
lease = "10m"  # far beyond this test

[queues.q]
workload = "io"

[[routes]]
task = "*"
queue = "q"

[workers.w]
queues = ["q"]
pool = "threads"
concurrency = 4
grace_period = "1s"
"""

TASKS = """
import os, time
from pathlib import Path
from fleet import task

@task
def hold(name):
    journal = Path(__file__).with_name("journal")
    seen = journal.exists() and name in journal.read_text()
    with journal.open("a") as file:
        file.write(f"{name} {os.getpid()}\\n")
    time.sleep(0 if seen else 600)
"""


@pytest.mark.parametrize("broker", ["sqlite", "redis"])
def test_what_a_killed_worker_held_runs_again_at_once(
    broker: str, short_folder: Path, request: pytest.FixtureRequest
) -> None:
    own = request.getfixturevalue("own_redis").url if broker == "redis" else f"sqlite:///{short_folder}/b.db"
    names = ["a", "b", "c", "d"]

    def begun() -> list[tuple[str, int]]:
        journal = short_folder / "journal"
        lines = journal.read_text().splitlines() if journal.exists() else []
        return [(name, int(pid)) for name, pid in (line.split() for line in lines)]

    with Following(short_folder, FILE.format(url=own), TASKS) as fleet:
        for name in names:
            fleet.command("send", "work.hold", f'"{name}"')
        eventually(lambda: len(begun()) == 4, within=30, message=fleet.tail())
        [holder] = {pid for _, pid in begun()}
        # What a restarted controller finds has to do: it has not started the worker itself.
        fleet.command("restart", "--controller")
        os.kill(holder, signal.SIGKILL)
        eventually(lambda: len(begun()) == 8, within=30, message="all four again")
        assert sorted(name for name, pid in begun() if pid != holder) == names
        if not PRELOADED:  # then its successor is there sooner than the controller, and takes them itself
            fleet.says("held 4 deliveries, which are back in their queues")
