"""A full state directory: what can be done is done, and what can't is told by command, status and rollout."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import RunningFleet
from tests.support import eventually

pytestmark = pytest.mark.process

FILE = """\
[fleet]
name = "full"
app = "work"
state_dir = "state"

[broker]
url = "sqlite:///data/broker.db"

[queues.q]
workload = "io"

[[routes]]
task = "*"
queue = "q"

[workers.w]
queues = ["q"]
pool = "threads"
concurrency = 2
env = { VERSION = "1" }

[rollout]
min_ready = "200ms"
progress_deadline = "3s"
"""
WORK = """\
from pathlib import Path
from fleet import task

@task
def note(number):
    Path("done").touch()
"""


@pytest.fixture
def fleet(short_folder: Path) -> Iterator[RunningFleet]:
    """Its state directory is a file system of its own, of one megabyte."""
    (short_folder / "fleet.toml").write_text(FILE)
    (short_folder / "work.py").write_text(WORK)
    state = short_folder / "state"
    state.mkdir(mode=0o700)
    size = ("-o", "size=1m,mode=700")
    if subprocess.run(["mount", "-t", "tmpfs", *size, "tmpfs", state], check=False).returncode:
        pytest.skip("may not mount a file system")
    try:
        with RunningFleet(short_folder) as running:
            yield running
    finally:
        subprocess.run(["umount", state], check=True)


def fill(fleet: RunningFleet) -> Path:
    """To the last byte, or nearly: what is freed by others meanwhile is taken as well."""
    ballast = fleet.folder / "state" / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (65536, 4096, 1):
            try:
                while True:
                    file.write(b"\0" * size)
            except OSError:
                continue
    return ballast


def test_commands_on_a_full_disk_work_or_say_what_does_not(fleet: RunningFleet) -> None:
    fleet.command("pause", "w")
    fill(fleet)
    fleet.command("send", "work.note", "1")
    assert not (fleet.folder / "done").exists()

    resumed = fleet.command("resume", "w", check=False)
    assert resumed.returncode == 1
    assert "overrides.json" in resumed.stderr
    assert "No space left on device" in resumed.stderr
    eventually((fleet.folder / "done").exists, within=30, message="resumed all the same")

    scaled = fleet.command("scale", "w=2", check=False)
    assert scaled.returncode == 1
    assert "could not start w/1: No space left on device" in scaled.stderr
    status = fleet.status()
    assert status["state"] == "degraded"
    assert "start w/1" in [each["what"] for each in status["failures"]]
    assert "could not start w/1: No space left on device" in fleet.command("status", check=False).stdout


def test_a_rollout_that_can_not_begin_ends_at_its_deadline(fleet: RunningFleet) -> None:
    (before,) = fleet.pids("w")
    ballast = fill(fleet)
    fleet.file.write_text(FILE.replace('VERSION = "1"', 'VERSION = "2"'))
    reloaded = fleet.command("reload", check=False)
    assert reloaded.returncode == 1
    assert "rolled back: could not start w/0: No space left on device" in reloaded.stdout
    status = fleet.status()
    assert status["state"] == "degraded"
    assert status["rollout"]["state"] == "rolled back"
    assert fleet.pids("w") == {before}

    ballast.unlink()
    eventually(lambda: not fleet.status()["failures"], within=30, message="all written down again")
    fleet.command("reload")
    status = fleet.status()
    assert status["state"] == "healthy", status["reasons"]
    assert fleet.pids("w").isdisjoint({before})
    assert (fleet.folder / "state" / "accepted.json").stat().st_size > 0
    assert not list((fleet.folder / "state").glob(".*")), "no half files"
