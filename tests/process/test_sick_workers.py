"""Workers that live and do nothing: found and killed, and those that asked for it are replaced first."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.process.following import FILE, Following
from tests.support import alive, eventually

pytestmark = pytest.mark.process

BOTH = ("http/0", "http/1", "lone/0")


@pytest.fixture
def fleet(short_folder: Path) -> Iterator[Following]:
    with Following(short_folder) as running:
        yield running


def test_a_stopped_worker_is_killed_and_replaced(fleet: Following) -> None:
    before = fleet.settled(*BOTH)
    os.kill(before["http/0"], signal.SIGSTOP)
    eventually(lambda: not alive(before["http/0"]), within=30, message="the stopped one is killed")
    after = fleet.settled(*BOTH)
    assert after["http/0"] != before["http/0"]
    assert {name: after[name] for name in BOTH[1:]} == {name: before[name] for name in BOTH[1:]}
    last = fleet.workers()["http/0"]["last_exit"]
    assert (last["signal"], last["reason"]) == (signal.SIGKILL, "it has stopped reporting")
    fleet.says("because it has stopped reporting")


def test_a_controller_that_was_stopped_kills_nobody(fleet: Following) -> None:
    """It has heard nobody for longer than it takes to be silent, but only because it did not listen."""
    before = fleet.settled(*BOTH)
    pid = fleet.status()["controller"]["pid"]
    heard = fleet.events()
    os.kill(pid, signal.SIGSTOP)
    try:
        os.kill(before["lone/0"], 0)
        fleet.pass_time(12)
    finally:
        os.kill(pid, signal.SIGCONT)
    fleet.edit("replicas = 2", "replicas = 3")
    after = fleet.settled(*BOTH, "http/2")
    assert {name: after[name] for name in BOTH} == before
    assert "stopped reporting" not in fleet.events()[len(heard) :]


STUBBORN_AND_LOUD = """
import signal, sys, threading

def flood():
    while True:
        sys.stdout.write("x" * 2000 + "\\n")

threading.Thread(target=flood, daemon=True).start()
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal = lambda *_: None  # and it stays so

def wait(path): ...
"""


def test_a_worker_that_floods_its_output_and_ignores_sigterm_is_no_ones_trouble(short_folder: Path) -> None:
    text = FILE.replace("replicas = 2", "replicas = 1") + '\n[defaults]\ngrace_period = "1s"\n'
    with Following(short_folder, text) as fleet:
        before = fleet.settled("http/0", "lone/0")
        (fleet.folder / "stubborn.py").write_text(STUBBORN_AND_LOUD)
        fleet.edit('app = "work"', 'app = "stubborn"')
        loud = eventually(lambda: _others(fleet, before), within=20)
        fleet.edit('app = "stubborn"', 'app = "work"')
        eventually(lambda: _others(fleet, loud), within=20, message="the next ones do the work")
        eventually(lambda: not any(map(alive, loud.values())), within=20, message="these are killed")
        fleet.settled("http/0", "lone/0")
        logs = list(fleet.state.logs.iterdir())
        assert max(path.stat().st_size for path in logs) < 11 * 2**20, "rotated"
        assert fleet.status()["controller"]["restarts"] == 0


def _others(fleet: Following, before: dict[str, int]) -> dict[str, int] | None:
    """All workers once none of those before is ready."""
    now = fleet.by_pid()
    return now if len(now) == len(before) and not set(now.values()) & set(before.values()) else None
