"""A bug in the worker itself ends it, whichever thread it is in: a worker that is half dead must not live on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.following import Following
from tests.support import ROOT, eventually

pytestmark = pytest.mark.process

BUG = """
import os, sys
from pathlib import Path

if "fleet.worker" in sys.orig_argv:
    from fleet.worker.consumer import Consumer
    from fleet.worker.keepalive import Keepalive
    from fleet.worker.watchdog import Watchdog

    def with_bug(owner, turn):
        def broken(*arguments):
            bug = Path(os.environ["BUG_IN"], owner.__name__)
            if bug.exists():
                bug.unlink()
                raise RuntimeError("a bug of ours")
            return turn(*arguments)

        return broken

    for owner in (Consumer, Keepalive, Watchdog):
        owner._turn = with_bug(owner, owner._turn)
"""

TEXT = """\
[fleet]
name = "bug"
app = "work"

[broker]
lease = "3s"

[queues.q]

[[routes]]
task = "*"
queue = "q"

[workers.w]
queues = ["q"]
pool = "prefork"
concurrency = 1
"""


@pytest.fixture
def fleet(short_folder: Path, tmp_path: Path) -> Iterator[Following]:
    (tmp_path / "sitecustomize.py").write_text(BUG)
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    with Following(short_folder, TEXT, "", env={"PYTHONPATH": path, "BUG_IN": str(tmp_path)}) as running:
        yield running


@pytest.mark.parametrize("owner", ["Consumer", "Keepalive", "Watchdog"])
def test_a_worker_with_a_bug_ends_and_is_replaced(fleet: Following, tmp_path: Path, owner: str) -> None:
    pid = fleet.by_pid()["w/0"]
    (tmp_path / owner).touch()
    eventually(lambda: fleet.by_pid().get("w/0", pid) != pid, 30)
    eventually(lambda: fleet.group("w")["replicas"]["ready"] == 1, 30)
    assert not Path(f"/proc/{pid}").exists()
    logs = "".join(file.read_text() for file in (fleet.folder / ".fleet" / "logs").glob("w.0.*.log*"))
    assert "a bug of ours" in logs
