"""SIGTERM while things are still being imported: whoever gets it ends, and does not begin first."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fleet.launch_specs import WorkerLaunch, WorkerSpec
from fleet.spec import BrokerSpec, QueueSpec
from tests.support import ROOT, eventually, marked, unique

pytestmark = pytest.mark.process

FILE = """\
[fleet]
name = "early"
app = "slow"

[queues.q]
workload = "io"

[[routes]]
task = "*"
queue = "q"

[workers.w]
queues = ["q"]
pool = "threads"
concurrency = 2
"""
SLOW = "import pathlib, time\npathlib.Path('importing').touch()\ntime.sleep(600)\n"


def namespace() -> tuple[str, ...]:
    """What makes a process number 1; skips where that is not permitted."""
    prefix = ("unshare", "--pid", "--fork", "--kill-child")
    if not shutil.which("unshare") or subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("may not make a namespace")
    return prefix


@pytest.mark.parametrize("milliseconds", [0, 50, 100, 200, 300, 400, 500, 600, 1000, 2000])
def test_fleet_up_ends_whenever_it_is_asked(short_folder: Path, milliseconds: int) -> None:
    (short_folder / "fleet.toml").write_text(FILE)
    (short_folder / "slow.py").write_text(SLOW)
    mark = unique("FLEET_EARLY")
    up = subprocess.Popen(
        [sys.executable, "-m", "fleet", "up"],
        cwd=short_folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FLEET_TEST_RUN": mark},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        up.wait(milliseconds / 1000)
    except subprocess.TimeoutExpired:
        up.send_signal(signal.SIGTERM)
    assert up.wait(30) in (0, -signal.SIGTERM)
    eventually(lambda: not marked(f"FLEET_TEST_RUN={mark}"), within=30, message="nothing is left")


def launch(folder: Path, pool: str) -> Path:
    (folder / "slow.py").write_text(SLOW)
    spec = WorkerSpec(
        fleet="early",
        group="w",
        app=("slow",),
        pythonpath=(str(folder),),
        broker=BrokerSpec(f"sqlite:///{folder}/broker.db"),
        queues=(QueueSpec("q"),),
        pool=pool,
        concurrency=2,
        grace_period_seconds=300.0,
    )
    file = folder / "launch.json"
    file.write_text(WorkerLaunch("w/0", 0, "r", spec, "", str(folder / "routing.json")).to_json())
    return file


@pytest.mark.parametrize("as_process_1", [False, True])
@pytest.mark.parametrize("pool", ["solo", "threads", "prefork", "gevent"])
def test_a_worker_that_imports_ends_at_once(short_folder: Path, pool: str, as_process_1: bool) -> None:
    prefix = namespace() if as_process_1 else ()
    worker = subprocess.Popen(
        [*prefix, sys.executable, "-m", "fleet.worker", str(launch(short_folder, pool))],
        cwd=short_folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    eventually((short_folder / "importing").exists, within=60)
    os.kill(first_of(worker.pid) if as_process_1 else worker.pid, signal.SIGTERM)
    worker.wait(30)  # its grace period would be ten times as long


@pytest.mark.parametrize(
    "code", ["import fleet.cli", "import runpy; runpy.run_module('fleet.worker', run_name='__main__')"]
)
def test_process_1_hears_before_it_loads_anything(code: str) -> None:
    """The interpreter's own start nobody can shorten; nothing else is loaded before."""
    look = "import sys, _signal; sys.modules['click'] = sys.modules['fleet.spec'] = None\n"
    tell = "except BaseException: print(_signal.getsignal(_signal.SIGTERM).__module__)"
    done = subprocess.run(
        [*namespace(), sys.executable, "-c", f"{look}try:\n    {code}\n{tell}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.strip() == "fleet.early_signals", done.stderr


def first_of(parent: int) -> int:
    """The pid, as we see it, of the only child."""
    return int(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()[0])
