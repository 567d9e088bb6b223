"""Somebody sets the machine's clock while the fleet works: every process sees it, and nothing comes of it.

The time of day is shifted in all processes of the fleet by a `sitecustomize` that reads by how much from a file.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.following import Following
from tests.support import ROOT, eventually

pytestmark = pytest.mark.process

SHIFTED = """
import os, time
_real, _file = time.time, os.environ["CLOCK_OFFSET"]

def shifted():
    try:
        with open(_file) as file:
            return _real() + float(file.read() or 0)
    except FileNotFoundError:
        return _real()

time.time = shifted
"""

TEXT = """\
[fleet]
name = "clock"
app = "work"

[broker]
lease = "5s"

[queues.io]
workload = "io"

[queues.other]

[[routes]]
task = "work.count"
queue = "other"

[[routes]]
task = "*"
queue = "io"

[workers.http]
queues = ["io"]
pool = "threads"
concurrency = 2
replicas = 2
prefetch = 2

[workers.lone]
queues = ["other"]
pool = "solo"

[workers.broken]
queues = ["other"]
pool = "solo"
env = { BROKEN = "1" }

[rollout]
min_ready = "200ms"
"""

APP = """
import os, time
from pathlib import Path
from fleet import task

if "BROKEN" in os.environ:
    raise RuntimeError("no good")

@task
def hold(folder, number):
    folder = Path(folder)
    with (folder / "begun.txt").open("a") as file:
        file.write(f"{number} {time.time()}\\n")
    while not (folder / "release").exists():
        time.sleep(0.02)
    with (folder / "done.txt").open("a") as file:
        file.write(f"{number}\\n")

@task
def count(folder):
    with (Path(folder) / "counted.txt").open("a") as file:
        file.write("1\\n")
"""


@pytest.fixture
def offset(tmp_path: Path) -> Path:
    (tmp_path / "sitecustomize.py").write_text(SHIFTED)
    return tmp_path / "offset"


@pytest.fixture
def fleet(short_folder: Path, offset: Path) -> Iterator[Following]:
    shim = {"PYTHONPATH": os.pathsep.join([str(offset.parent), str(ROOT)]), "CLOCK_OFFSET": str(offset)}
    with Following(short_folder, TEXT, APP, env=shim, healthy=False) as running:
        yield running


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def crashes(fleet: Following) -> int:
    (worker,) = fleet.group("broken")["workers"]
    restarts: int = worker["restarts"]
    return restarts


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_nothing_comes_of_a_clock_that_is_set(fleet: Following, offset: Path, seconds: int) -> None:
    folder = fleet.folder
    well = ("http/0", "http/1", "lone/0")
    eventually(
        lambda: set(well) <= fleet.by_pid().keys() and fleet.group("http")["replicas"]["ready"] == 2, 30
    )
    before = {name: fleet.by_pid()[name] for name in well}
    for number in range(3):
        fleet.command("send", "work.hold", str(folder), str(number))
    eventually(lambda: len(lines(folder / "begun.txt")) == 3, message="all are being done")
    crashed = eventually(lambda: crashes(fleet), message="one keeps crashing")

    new = offset.with_name("new")
    new.write_text(str(seconds))
    new.rename(offset)

    eventually(lambda: crashes(fleet) > crashed + 1, 60, "its backoff does not hang")
    fleet.command("send", "work.count", str(folder))
    eventually(lambda: lines(folder / "counted.txt"), message="others work")
    os.kill(before["lone/0"], signal.SIGKILL)
    eventually(lambda: fleet.by_pid().get("lone/0", before["lone/0"]) != before["lone/0"], 20)
    fleet.edit("replicas = 2", "replicas = 3")
    eventually(lambda: fleet.group("http")["replicas"]["ready"] == 3, 20, "an edit is followed")
    fleet.command("send", "work.hold", str(folder), "3")
    eventually(lambda: len(lines(folder / "begun.txt")) == 4, message="one more")
    *_, last = lines(folder / "begun.txt")
    (folder / "release").touch()
    eventually(lambda: len(lines(folder / "done.txt")) == 4, 20, "all are done")

    after = fleet.by_pid()
    assert {name: after[name] for name in well[:2]} == {name: before[name] for name in well[:2]}
    assert sorted(line.split()[0] for line in lines(folder / "begun.txt")) == ["0", "1", "2", "3"], (
        "once each"
    )
    first = lines(folder / "begun.txt")[0]
    assert abs(float(last.split()[1]) - float(first.split()[1]) - seconds) < 900, "the workers' clock was set"
