"""`fleet status --stack`: the line where a stuck task is, in every pool, within two seconds, and the task goes on."""

from __future__ import annotations

import json
import math
import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.process.following import Following
from tests.support import eventually

pytestmark = pytest.mark.process

APP = """
import ctypes, re, threading, time
from pathlib import Path
from fleet import task

lock = threading.Lock()
secret = "hunter2"

@task
def regex(name, size):
    secret_local = "hunter2"
    Path(name).touch()
    re.match(r"(a+)+$", "a" * size + "b")   # REGEX
    Path(name + ".done").touch()

@task
def sleep(name, seconds):
    Path(name).touch()
    time.sleep(seconds)   # SLEEP
    Path(name + ".done").touch()

@task
def locked(name, seconds):
    lock.acquire()
    threading.Timer(seconds, lock.release).start()
    Path(name).touch()
    lock.acquire()   # LOCKED
    Path(name + ".done").touch()

@task
def holding(name, seconds):
    libc = ctypes.PyDLL(None)   # holds the interpreter lock while it calls
    Path(name).touch()
    libc.usleep(int(seconds * 1e6))   # HOLDING
    Path(name + ".done").touch()
"""
FILE = """\
[fleet]
name = "stuck"
app = "work"
[queues.io]
[[routes]]
task = "*"
queue = "io"
[workers.w]
queues = ["io"]
pool = "POOL"
concurrency = 1
"""
POOLS = ["solo", "threads", "prefork", "gevent", "eventlet"]


def line_of(mark: str) -> int:
    return next(number for number, line in enumerate(APP.splitlines(), 1) if f"# {mark}" in line)


def stack(fleet: Following) -> dict[str, Any]:
    began = time.monotonic()
    answer: dict[str, Any] = json.loads(fleet.command("status", "--stack", "w/0", "--json").stdout)
    answer["seconds"] = time.monotonic() - began
    return answer


def long_regex() -> int:
    """The size for which `regex` spins between four and eight seconds: twice as long with each."""
    size, seconds = 16, 0.0
    while seconds < 0.03:
        size, began = size + 1, time.perf_counter()
        re.match(r"(a+)+$", "a" * size + "b")
        seconds = time.perf_counter() - began
    return size + math.ceil(math.log2(4 / seconds))


def places(answer: dict[str, Any]) -> list[str]:
    return [
        thread["place"]
        for process in answer["processes"]
        for thread in (*process["threads"], *process["green"])
        if thread["runs_task"] and thread["place"]
    ]


@pytest.mark.parametrize("pool", POOLS)
def test_the_line_where_a_task_is_stuck_is_named_and_the_task_goes_on(short_folder: Path, pool: str) -> None:
    if pool in ("gevent", "eventlet"):
        pytest.importorskip(pool)
    with Following(short_folder, FILE.replace("POOL", pool), APP) as fleet:
        pid = fleet.settled("w/0", within=40)["w/0"]
        size = str(long_regex())
        for task, mark, argument in (
            ("sleep", "SLEEP", "4"),
            ("locked", "LOCKED", "4"),
            ("holding", "HOLDING", "4"),
            ("regex", "REGEX", size),
        ):
            if task == "locked" and pool in ("gevent", "eventlet"):
                continue  # there a lock is green: other tasks go on, and it is as `sleep`
            name = str(short_folder / f"{task}.at")
            fleet.command("send", f"work.{task}", name, argument)
            eventually(Path(name).exists, within=20, message=f"{task} has begun")
            seen = stack(fleet)
            expected = f"work.py:{line_of(mark)} in {task}"
            assert any(place.endswith(expected) for place in places(seen)), (task, seen)
            assert "hunter2" not in json.dumps(seen)
            eventually(Path(f"{name}.done").exists, within=30, message=f"{task} goes on")
        assert fleet.by_pid() == {"w/0": pid}
        shown = fleet.command("status", "--stack", "w/0").stdout
        assert "no task runs here" in shown
        missing = fleet.command("status", "--stack", "w/7", check=False)
        assert missing.returncode == 2
        assert "there is no worker 'w/7'" in missing.stderr
