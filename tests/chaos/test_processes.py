"""Who dies with a process that is killed: a child too that would have been forked at that moment."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from signal import SIGKILL, SIGUSR1

import pytest

from tests.chaos.processes import Process, kill, kill_family, processes
from tests.support import eventually

FORKS_WHEN_TOLD = """
import os, signal
def fork(number, frame):
    if os.fork() == 0:
        signal.pause()
signal.signal(signal.SIGUSR1, fork)
print("ready", flush=True)
while True:
    signal.pause()
"""


@pytest.fixture
def mark() -> Iterator[str]:
    mark = f"CHAOS_MARK={uuid.uuid4().hex}"
    yield mark
    for each in processes(mark):
        kill(each.pid)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")
def test_who_is_to_be_killed_forks_nobody_unseen(mark: str) -> None:
    name, value = mark.split("=")
    command = [sys.executable, "-c", FORKS_WHEN_TOLD]
    with subprocess.Popen(command, env={name: value}, stdout=subprocess.PIPE) as victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"ready\n"

        def look() -> list[Process]:
            found = processes(mark)
            victim.send_signal(SIGUSR1)
            eventually(
                lambda: _stands_still(victim.pid) or len(processes(mark)) > len(found),
                within=10,
                message="it has forked, or can't",
            )
            return found

        family = kill_family(victim.pid, look)
    assert victim.returncode == -SIGKILL
    assert family == {victim.pid}
    assert processes(mark) == []


def _stands_still(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"
