"""`fleet status --everywhere`: two hosts, which here are two folders with names of their own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Broker, make_broker
from tests.running import RunningFleet
from tests.support import ROOT, eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

FILE = """\
[fleet]
name = "{name}"
app = "tasks"

[broker]
url = "{url}"

[queues."{queue}"]
workload = "io"

[[routes]]
task = "*"
queue = "{queue}"

[workers.w]
queues = ["{queue}"]
pool = "solo"
singleton = {singleton}
"""


@pytest.fixture(params=["redis", "amqp"])
def broker(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Broker]:
    yield from make_broker(request.param, request, short_folder)


def a_host(broker: Broker, folder: Path, *, singleton: bool) -> Path:
    folder.mkdir()
    (folder / "tasks.py").write_text("from fleet import task\n\n\n@task\ndef nothing() -> None: ...\n")
    names = {"name": broker.token, "url": broker.url, "queue": broker.queue()}
    (folder / "fleet.toml").write_text(FILE.format(**names, singleton=str(singleton).lower()))
    return folder


def everywhere(folder: Path) -> tuple[int, dict[str, Any]]:
    """Asked where nothing runs."""
    done = subprocess.run(
        [sys.executable, "-m", "fleet", "status", "--everywhere", "--json", "-f", str(folder / "fleet.toml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode in (0, 1, 3), done.stderr
    return done.returncode, json.loads(done.stdout)


def test_hosts_are_seen_from_a_third_and_one_that_is_killed_is_missed(
    broker: Broker, short_folder: Path
) -> None:
    one, two, away = (
        a_host(broker, short_folder / name, singleton=name == "two") for name in ("one", "two", "away")
    )
    assert everywhere(away)[0] == 3
    with (
        RunningFleet(one, env={"FLEET_HOST": "host-1"}, healthy=False),
        RunningFleet(two, env={"FLEET_HOST": "host-2"}, healthy=False) as second,
    ):

        def both() -> dict[str, Any] | None:
            code, said = everywhere(away)
            states = {host["host"]: host["state"] for host in said["hosts"]}
            return said if code == 1 and states == {"host-1": "healthy", "host-2": "healthy"} else None

        said = eventually(both, within=120, message="both are healthy")
        assert [reason.split(":")[0] for reason in said["reasons"]] == [
            "singleton w runs on 2 hosts",
            "different revisions",
        ]
        (two / "fleet.toml").write_text((one / "fleet.toml").read_text())
        eventually(lambda: everywhere(away)[0] == 0, within=120, message="the same revision on both")

        status = second.status()
        for pid in (status["controller"]["pid"], second.pid):
            os.kill(pid, signal.SIGSTOP)  # no goodbye, as of a host that has lost its power

        def missed() -> bool:
            code, said = everywhere(away)
            return code == 1 and any(reason.startswith("host-2 silent for ") for reason in said["reasons"])

        eventually(missed, within=120, message="host-2 is missed")
        for pid in (second.pid, status["controller"]["pid"]):
            os.kill(pid, signal.SIGCONT)
        eventually(lambda: everywhere(away)[0] == 0, within=120, message="it is back")
    assert everywhere(away)[0] == 3  # they have said goodbye
