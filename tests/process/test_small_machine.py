"""A fleet that is too large for its machine runs there all the same: real limits, real workers, a task done."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.small_machine import Limits, cgroup, few_files, one_cpu
from tests.support import ROOT, eventually

pytestmark = [pytest.mark.process, pytest.mark.skipif(sys.platform != "linux", reason="affinity is Linux's")]

TASKS = """
from pathlib import Path
from fleet import task

@task(name="work")
def work(name: str) -> None:
    Path(f"done-{name}").touch()
"""
FLEET = """
[fleet]
name = "large"
app = "tasks"
[queues.q]
workload = "{workload}"
[[routes]]
task = "*"
queue = "q"
[workers.w]
queues = ["q"]
{group}
"""
COMPUTING = """
pool = "prefork"
concurrency = 3
max_memory = "512MiB"
time_limit = "20s"
"""
WAITING = """
pool = "gevent"
concurrency = 400
"""
MEMORY = 700 * 2**20  # enough for what runs, not for what it may hold


class Large:
    """`fleet` commands under limits, in a folder with a fleet that is too large for them."""

    def __init__(self, folder: Path, limits: Limits, *, workload: str, group: str) -> None:
        self.folder, self._limits = folder, limits
        (folder / "tasks.py").write_text(TASKS)
        (folder / "fleet.toml").write_text(FLEET.format(workload=workload, group=group))
        self._environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        self._environment.pop("FLEET_FILE", None)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fleet", *arguments],
            cwd=self.folder,
            env=self._environment,
            preexec_fn=self._limits,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )


@pytest.fixture
def limits(request: pytest.FixtureRequest) -> Iterator[Limits]:
    if request.param != "cgroup":
        yield {"affinity": one_cpu, "files": few_files}[request.param]
        return
    with cgroup(cpus=0.5, memory=MEMORY) as enter:
        if enter is None:
            pytest.skip("no cgroup can be made here: no right to write below /sys/fs/cgroup")
        yield enter


@pytest.mark.parametrize(
    ("limits", "workload", "group", "codes"),
    [
        pytest.param("affinity", "cpu", COMPUTING, {"FLT301"}, id="one CPU"),
        pytest.param("files", "io", WAITING, {"FLT404"}, id="256 open files"),
        pytest.param("cgroup", "cpu", COMPUTING, {"FLT301", "FLT402"}, id="cgroup with half a CPU"),
    ],
    indirect=["limits"],
)
def test_too_large_for_the_machine_is_an_error_in_ci_and_runs_where_it_is(
    limits: Limits, workload: str, group: str, codes: set[str], tmp_path: Path
) -> None:
    large = Large(tmp_path, limits, workload=workload, group=group)
    checked = large.run("validate", "--format", "json")
    found = {each["code"]: each["severity"] for each in json.loads(checked.stdout)["diagnostics"]}
    assert checked.returncode == 1
    assert {code: found.get(code) for code in codes} == dict.fromkeys(codes, "error")
    try:
        up = large.run("up", "--detach", "--wait", "--timeout", "200s")
        assert up.returncode == 0, up.stdout + up.stderr
        assert all(f"warning[{code}]" in up.stderr for code in codes)
        assert large.run("send", "work", "a").returncode == 0
        eventually((tmp_path / "done-a").exists, within=120)
        status = json.loads(large.run("status", "--json").stdout)
        assert codes <= {each["code"] for each in status["config"]["warnings"]}
        assert large.run("reload").returncode == 0
    finally:
        large.run("down", "--now")
