"""`fleet up` as PID 1, in namespaces as a container has them, with the files of examples/container."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.cli.running.status_source import fetch
from fleet.statedir import StateDir
from tests.support import ROOT, alive, descendants, eventually

pytestmark = pytest.mark.process

CONTAINER = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL")


def permitted() -> bool:
    return bool(shutil.which("unshare")) and subprocess.run([*CONTAINER, "true"], check=False).returncode == 0


@pytest.fixture
def app(short_folder: Path) -> Path:
    folder = short_folder / "app"
    shutil.copytree(ROOT / "examples" / "container" / "app", folder)
    return folder


@pytest.fixture
def container(app: Path) -> Iterator[int]:
    """The pid, seen from here, of what is PID 1 in there."""
    if not permitted():
        pytest.skip("needs the right to make namespaces (root, or user namespaces)")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1", "BROKER_URL": ""}
    environment.pop("FLEET_FILE", None)
    with (app / "output").open("wb") as output:
        outer = subprocess.Popen(
            [*CONTAINER, sys.executable, "-m", "fleet", "up"],
            cwd=app,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        eventually(
            lambda: (fetch(app / "fleet.toml", StateDir(app / ".fleet")) or {}).get("state") == "healthy"
        )
        (first,) = [pid for pid in descendants(outer.pid) if parent(pid) == outer.pid]
        yield first
    finally:
        seen = descendants(outer.pid)
        outer.kill()
        outer.wait()
        eventually(lambda: not any(map(alive, seen)), within=15, message="the namespace is gone")


def parent(pid: int) -> int | None:
    """None for one that is gone by now."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return None


def inner_pid(pid: int) -> int:
    found = re.search(r"^NSpid:.*\s(\d+)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def zombies(pid: int) -> set[int]:
    """Direct children of `pid` that nobody has reaped."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return {int(child) for child in children if not alive(int(child))}


def send(app: Path, *arguments: str) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "BROKER_URL": ""}
    command = [sys.executable, "-m", "fleet", "send", *arguments]
    subprocess.run(command, cwd=app, env=environment, check=True, capture_output=True)


def test_as_pid_1_it_reaps_orphans_and_drains_on_sigterm(app: Path, container: int) -> None:
    assert inner_pid(container) == 1
    before = descendants(container)
    send(app, "shop.tasks.orphan", "--count", "5")

    def orphaned() -> bool:
        """Children that its workers did not start, or that are dead and unreaped."""
        return any(parent(pid) == container and pid not in before for pid in descendants(container))

    eventually(orphaned, message="orphans come to PID 1")
    eventually(lambda: not orphaned() and not zombies(container), within=15, message="and are reaped")

    send(app, "shop.tasks.mail", "ann", "--kwargs", '{"seconds": 3}')
    status = StateDir(app / ".fleet")
    eventually(lambda: fetch(app / "fleet.toml", status)["groups"][0]["workers"][0]["in_flight"] == 1)  # type: ignore[index]
    os.kill(container, signal.SIGTERM)
    eventually(lambda: not alive(container), within=30, message="PID 1 ends")
    assert (app / "sent.txt").read_text() == "ann\n", "what was in flight was finished"
    assert "all work in flight was finished" in (app / "output").read_text()


def test_the_recipe_lets_signals_reach_fleet() -> None:
    recipe = (ROOT / "examples" / "container" / "Dockerfile").read_text()
    assert 'CMD ["fleet", "up"]' in recipe, "exec form: a shell as PID 1 would swallow SIGTERM"
    for line in re.findall(r"^COPY (?:--\S+ )*(.+) \S+$", recipe, re.MULTILINE):
        for source in line.split():
            assert (ROOT / source).exists(), f"COPY {source}"
