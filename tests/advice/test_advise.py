"""`fleet advise` on a fleet that has run: evidence, the file rewritten with its comments, a silent second look."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fleet.advice.evidence import GroupEvidence
from fleet.cli.running import evidence as running_evidence
from tests.advice.conftest import Write
from tests.advice.test_group_advice import KINDS
from tests.cli.invoke import fleet
from tests.support import ROOT, eventually

CODE = """\
import time
from fleet import task

@task
def wait():
    time.sleep(0.05)
"""


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes this the evidence of the group `work`."""

    def measured(found: GroupEvidence) -> None:
        tasks = tuple(task._replace(queue="work") for task in found.tasks)
        told = {"work": found._replace(group="work", tasks=tasks)}
        monkeypatch.setattr(running_evidence, "gather", lambda *_: told)

    return measured


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_keeps_comments_passes_validate_and_is_not_said_again(
    kind: str, write: Write, measured: Any
) -> None:
    evidence, pool, _, _ = KINDS[kind]
    file = write(code=CODE, pool=evidence.pool, concurrency=evidence.slots)
    file.write_text(file.read_text().replace("[machine]\n", "[machine]\ncpus = 4\n"))
    measured(evidence)
    before = json.loads(fleet("validate", file, "--format", "json").out)["diagnostics"]
    [said] = json.loads(fleet("advise", "-f", file, "--json").out)["advice"]
    assert said["pool"] == pool
    assert "FLT323" in fleet("validate", file, "--measured").out
    change = fleet("advise", "-f", file, "--diff").out
    assert fleet("advise", "-f", file, "--write").code == 0
    text = file.read_text()
    assert "# How the work is done." in text
    assert "# said by hand" in text
    assert all(line[1:] in text for line in change.splitlines() if line.startswith("+") and line[1:2] != "+")
    after = json.loads(fleet("validate", file, "--format", "json").out)["diagnostics"]
    assert {each["code"] for each in after} <= {each["code"] for each in before}
    assert json.loads(fleet("advise", "-f", file, "--json").out)["advice"] == []
    assert fleet("advise", "-f", file, "--write").out.startswith("no advice: what was measured of work goes")


def test_a_fleet_that_never_ran_gets_no_advice(write: Write) -> None:
    done = fleet("advise", "-f", write(code=CODE))
    assert (done.code, done.out) == (
        0,
        "no advice: too little has run to tell (0 tasks since the settings are what they are)\n",
    )
    assert fleet("advise", "--since", "soon", "-f", write(code=CODE)).code == 2


def test_of_a_running_fleet_it_says_what_its_workers_have_counted(write: Write, tmp_path: Path) -> None:
    file = write(code=CODE)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}

    def run(*arguments: str) -> str:
        command = [sys.executable, "-m", "fleet", *arguments, "-f", str(file)]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=90
        )
        return done.stdout

    run("up", "--detach", "--wait")
    try:
        run("send", "tasks.wait", "--count", "200")

        def evidence() -> Any:
            found = json.loads(run("advise", "--json"))
            return found if found["evidence"].get("work", {}).get("enough") else None

        found = eventually(evidence, within=90, message="statistics are told every ten seconds")
        [task] = found["evidence"]["work"]["tasks"]
        assert (task["task"], task["queue"], task["is_async"]) == ("tasks.wait", "work", False)
        assert task["wall_seconds"] >= 0.05
        assert task["cpu_share"] < 0.5
        [said] = found["advice"]
        assert said["pool"] in ("gevent", None)
        assert said["workloads"] == {"work": "io"}
    finally:
        run("down", "--now")
