"""`fleet up --env NAME`: the environment stays that of the fleet, in edits, plans and a new controller."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.process.following import Following
from tests.support import eventually

pytestmark = pytest.mark.process

FILE = """\
[fleet]
name = "shop"
app = "work"
[queues.q]
[[routes]]
task = "*"
queue = "q"
[workers.w]
queues = ["q"]
pool = "solo"
[env.prod.workers.w]
replicas = 2
"""


def test_a_fleet_stays_in_its_environment(short_folder: Path) -> None:
    fleet = Following(short_folder, FILE, "from fleet import task\n")
    fleet.options = ("--env", "prod")
    with fleet:
        assert fleet.group("w")["replicas"]["desired"] == 2
        assert fleet.command("plan", "--detailed-exitcode").returncode == 0, "as the file says"
        (short_folder / "draft.toml").write_text(FILE.replace("replicas = 2", "replicas = 3"))
        assert "+ w/2" in fleet.command("plan", "-f", "draft.toml").stdout
        fleet.edit("replicas = 2", "replicas = 3")
        eventually(
            lambda: fleet.group("w")["replicas"]["ready"] == 3, within=60, message="the edit is applied"
        )
        controller = fleet.status()["controller"]["pid"]
        os.kill(controller, signal.SIGKILL)
        eventually(lambda: fleet.status()["controller"]["pid"] not in (None, controller), within=60)
        eventually(lambda: fleet.status()["state"] == "healthy", within=60)
        assert fleet.group("w")["replicas"]["desired"] == 3
        assert fleet.command("plan", "--detailed-exitcode").returncode == 0
