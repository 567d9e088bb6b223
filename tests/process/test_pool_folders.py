"""Temporary folders of a prefork pool: none is left, however its processes end."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.cli.fleets import Project
from tests.support import descendants, eventually

pytestmark = pytest.mark.process


def test_a_worker_that_is_killed_with_its_fork_server_leaves_no_folder(short_folder: Path) -> None:
    temporary = short_folder / "t"
    temporary.mkdir()
    project = Project(short_folder)
    project.environment["TMPDIR"] = str(temporary)
    file = short_folder / "fleet.toml"
    file.write_text(file.read_text().replace('pool = "solo"', 'pool = "prefork"\nconcurrency = 1'))
    try:
        assert project.run("up", "--detach", "--wait").returncode == 0
        (before,) = temporary.iterdir()
        [worker] = project.workers()
        processes = [worker.pid, *descendants(worker.pid)]
        for pid in processes:
            os.kill(pid, signal.SIGSTOP)
        for pid in processes:  # none of them notices that another one has died
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: not before.exists(), within=60, message="the next worker has removed it")
        eventually(lambda: len(list(temporary.iterdir())) == 1, within=60)
        # One that is told to end while it starts ends at once: its folder is removed by the next one's start.
        eventually(
            lambda: project.run("status").returncode == 0, within=60, message="the next worker is ready"
        )
        assert project.run("down").returncode == 0
        assert list(temporary.iterdir()) == []
    finally:
        project.end()
