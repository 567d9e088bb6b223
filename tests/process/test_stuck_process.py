"""A pool process that does not begin what it was given is replaced, and what it should have begun counts as lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fleet.worker import stacks
from fleet.worker.pools import prefork
from tests.process.pooling import bench, delivery
from tests.support import ROOT, alive, eventually

pytestmark = pytest.mark.process


def test_one_that_never_begins_is_replaced(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefork, "LOST_SECONDS", 0.5)
    with bench(short_folder) as on:
        stopped = on.pool.children[0]
        os.kill(stopped, signal.SIGSTOP)
        first, second = delivery("note", "k1"), delivery("note", "k2")
        on.submit(first, second)

        def both() -> bool:
            on.pool.missing([first, second])
            return len(on.done) == 2

        on.until(both, "one is done, the other lost")
        outcomes = sorted((outcome.kind, outcome.reason) for _, outcome in on.done)
        assert outcomes[0][0] == "lost"
        assert f"({stopped}) did not begin it" in outcomes[0][1]
        assert outcomes[1][0] == "succeeded"
        on.until(lambda: not alive(stopped), "the stuck one is gone")
        on.until(lambda: len(on.pool.children) == 2, "it has a successor")
        third = delivery("note", "k3")
        on.done.clear()
        on.submit(third)
        on.until(lambda: on.done, "work goes on")


def test_one_that_is_at_work_is_left_alone(short_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prefork, "LOST_SECONDS", 0.2)
    with bench(short_folder) as on:
        napping = delivery("nap", "k", 1.5)
        on.submit(napping)
        on.until(lambda: on.wrote("k", "begin"), "it has begun")
        until = time.monotonic() + 1.0

        def looked_long() -> bool:
            on.pool.missing([napping])
            return time.monotonic() > until or bool(on.done)

        on.until(looked_long, "looked at for a second")
        on.until(lambda: on.done, "it has ended")
        assert [outcome.kind for _, outcome in on.done] == ["succeeded"]


def test_a_pool_process_says_where_it_is(short_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with bench(short_folder) as on:
        on.submit(delivery("nap", "k", 3.0))
        on.until(lambda: on.wrote("k", "begin"), "it has begun")
        said = ""

        def told() -> bool:
            nonlocal said
            stacks.ask(on.pool.children)
            said += capfd.readouterr().err
            return "in nap" in said and "most recent call first" in said

        eventually(told, within=10, message="its stack is in the log")
        on.until(lambda: on.done, "and goes on")


GREEN = """
import gevent.monkey; gevent.monkey.patch_all()
import gevent, time
from fleet.worker import stacks

def waits_for_ever():
    time.sleep(1000)

gevent.spawn(waits_for_ever)
gevent.sleep(0.01)
stacks.write()
"""


def test_green_threads_are_shown_too() -> None:
    done = subprocess.run(
        [sys.executable, "-c", GREEN],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "in waits_for_ever" in done.stderr
    assert "Green thread" in done.stderr
