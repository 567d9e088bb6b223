"""Folders of fork servers: those of crashed workers go, those in use stay."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fleet.worker.pools import socket_folder
from tests.support import ROOT

WORKER = """
import socket, sys
from pathlib import Path
from fleet.worker.pools.socket_folder import make
folder = make(Path(sys.argv[1]))
socket.socket(socket.AF_UNIX).bind(str(folder / "listener"))
print(folder, flush=True)
sys.stdin.read()
"""


def worker(base: Path) -> tuple[subprocess.Popen[str], Path]:
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, base],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_worker_left_is_removed_and_what_is_in_use_stays(short_folder: Path) -> None:
    dead, left = worker(short_folder)
    alive, used = worker(short_folder)
    with dead, alive:
        dead.kill()
        dead.wait()
        assert left.exists()
        socket_folder.sweep(short_folder)
        assert not left.exists()
        assert (used / "listener").exists()


def test_a_link_and_a_folder_that_is_being_made_are_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "in-use").touch()
    link = tmp_path / f"{socket_folder.PREFIX}link"
    link.symlink_to(precious)
    new = tmp_path / f"{socket_folder.PREFIX}new"
    new.mkdir()
    socket_folder.sweep(tmp_path)
    assert (precious / "in-use").exists()
    assert link.is_symlink()
    assert new.exists()
