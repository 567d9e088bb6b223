"""Real groups that scale from nothing to their most and back, and the example that does."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Broker, make_broker
from tests.process.following import Following
from tests.running import RunningFleet
from tests.support import ROOT, eventually

pytestmark = pytest.mark.process

FILE = """\
[fleet]
name = "scaling"
app = "work"

[queues.jobs]
workload = "io"

[[routes]]
task = "*"
queue = "jobs"

[workers.jobs]
queues = ["jobs"]
pool = "solo"
replicas = { min = 0, max = 3, target_latency = "1s" }

[rollout]
min_ready = "100ms"
"""

APP = """
import time
from fleet import task

@task
def nap(name, seconds=0.2):
    time.sleep(seconds)
    with open("done.txt", "a") as file:
        file.write(f"{name}\\n")
"""


class Scaling(Following):
    def __init__(self, folder: Path, text: str = FILE, **more: Any) -> None:
        super().__init__(folder, text, APP, **more)

    def count(self) -> int:
        return int(self.group("jobs")["replicas"]["ready"])

    def wanted(self) -> int:
        return int(self.group("jobs")["replicas"]["desired"])

    def done(self) -> list[str]:
        path = self.folder / "done.txt"
        return path.read_text().split() if path.exists() else []


def test_a_group_scales_from_none_to_the_most_and_back_without_losing_anything(short_folder: Path) -> None:
    with Scaling(short_folder) as fleet:
        assert fleet.group("jobs")["workers"] == []
        fleet.command("send", "work.nap", "first")
        eventually(lambda: fleet.done() == ["first"], within=20, message="woken by the first message")
        fleet.says("jobs 0 → 1 replica: 1 needed")

        fleet.command("send", "work.nap", "many", "--count", "60")
        eventually(lambda: fleet.count() == 3, within=20, message="as many as there may be")
        why = fleet.command("status", "--why", "jobs").stdout
        assert "with 0 to 3 replicas" in why
        assert "a task takes" in why

        fleet.command("simulate", "--record", "load.jsonl", "--for", "3s")
        replayed = json.loads(fleet.command("simulate", "load.jsonl", "--json").stdout)
        assert replayed["groups"]["jobs"]["replicas"]["min"] == 0

        eventually(lambda: len(fleet.done()) == 61, within=60, message="all done")
        eventually(lambda: not fleet.group("jobs")["workers"], within=60, message="asleep again")
        events = fleet.events()
        assert "3 → 2 replicas" in events
        assert "2 → 1 replica" in events
        assert "1 → 0 replicas" in events
        assert fleet.status()["state"] == "healthy"
        assert len(fleet.done()) == 61, "each message once"


def test_scaling_survives_its_controller_and_gives_way_to_a_person(short_folder: Path) -> None:
    with Scaling(short_folder) as fleet:
        fleet.command("send", "work.nap", "long", "--count", "3", "--kwargs", '{"seconds": 5}')
        eventually(lambda: fleet.count() >= 2, within=20)
        before = fleet.by_pid()
        os.kill(fleet.status()["controller"]["pid"], signal.SIGKILL)
        fleet.says("back again", within=20)
        eventually(lambda: before.items() <= fleet.by_pid().items(), message="who was there stays")
        fleet.command("scale", "jobs=1", "--reason", "quiet, please")
        assert "fleet scale" in fleet.command("status", "--why", "jobs").stdout
        eventually(lambda: fleet.wanted() == 1 and len(fleet.done()) == 3, within=60)
        fleet.command("scale", "jobs=file")
        eventually(lambda: not fleet.group("jobs")["workers"], within=60, message="asleep again")


@pytest.fixture(params=["redis", "amqp"])
def server(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Broker]:
    yield from make_broker(request.param, request, short_folder)


@pytest.mark.broker
def test_on_a_server_the_first_message_wakes_a_group_that_has_never_run(
    short_folder: Path, server: Broker
) -> None:
    """The queue does not even exist when the controller asks for the first time."""
    queue = server.queue()
    text = FILE.replace("[queues.jobs]", f'[broker]\nurl = "{server.url}"\n\n[queues."{queue}"]')
    text = text.replace('queue = "jobs"', f'queue = "{queue}"').replace('["jobs"]', f'["{queue}"]')
    with Scaling(short_folder, text) as fleet:
        assert fleet.group("jobs")["workers"] == []
        fleet.command("send", "work.nap", "first")
        eventually(lambda: fleet.done() == ["first"], within=30, message="woken")
        eventually(lambda: not fleet.group("jobs")["workers"], within=60, message="asleep again")
        fleet.command("send", "work.nap", "again")
        eventually(lambda: fleet.done() == ["first", "again"], within=30, message="woken again")
        assert fleet.status()["state"] == "healthy"


def test_the_example_sleeps_until_somebody_uploads(short_folder: Path) -> None:
    shutil.copytree(ROOT / "examples" / "autoscale", short_folder, dirs_exist_ok=True)
    with RunningFleet(short_folder) as fleet:
        assert fleet.group("upload")["workers"] == []
        assert len(fleet.pids("thumbnail")) == 1, "min = 1"
        fleet.command("send", "photos.tasks.upload", "holidays", "--kwargs", '{"seconds": 0}')
        eventually(lambda: "uploaded holidays" in fleet.tail(200), within=30, message="woken")
        assert "1 needed" in fleet.command("status", "--why", "upload").stdout
