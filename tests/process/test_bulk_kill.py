"""kill -9 of the real dashboard in the middle of a bulk retry: no letter is lost, one batch at most is there twice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from fleet.dashboard.bulk import BATCH
from fleet.launch_specs import DashboardLaunch
from fleet.statedir import StateDir
from tests.brokers import free_port
from tests.conftest import Broker
from tests.support import eventually
from tests.unit.dashboard.asking import TOKENS, bearer
from tests.unit.dashboard.test_bulk import Graveyard

pytestmark = [pytest.mark.process, pytest.mark.broker]

COUNT = 3000


class Dashboard:
    """Without its controller, which has no part in this."""

    def __init__(self, yard: Graveyard, folder: Path) -> None:
        tokens, self.port = folder / "tokens", free_port()
        tokens.write_text(TOKENS)
        state = StateDir(folder)
        state.routing_file.parent.mkdir(parents=True, exist_ok=True)
        state.routing_file.write_text(yard.file.read_text())
        listen = f"127.0.0.1:{self.port}"
        file = folder / "dashboard.json"
        file.write_text(DashboardLaunch("shop", str(folder), listen, str(tokens)).to_json())
        self.process = subprocess.Popen([sys.executable, "-m", "fleet.dashboard", str(file)])
        eventually(lambda: self.ask("dead/jobs/all") == {"jobs": []}, within=60, message="it is there")

    def ask(self, path: str, value: Any = None) -> Any:
        body = None if value is None else json.dumps(value).encode()
        headers = {"Authorization": bearer("ann"), "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/{path}", body, headers)
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return json.loads(reply.read())
        except OSError as error:
            raise AssertionError(error) from error

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()


def all_back(yard: Graveyard, dashboard: Dashboard) -> bool:
    """What the dead one had taken is there again at once, although no worker runs that could see its lease end."""
    job = dashboard.ask("dead/jobs", {"verb": "retry", "most": 2 * COUNT})
    again, dead = yard.counts()
    assert job["state"] == "done"
    assert (dead, COUNT <= again <= COUNT + BATCH) == (0, True), (again, dead)
    return True


@pytest.mark.parametrize("broker", ["sqlite", "redis"], indirect=True)
def test_a_killed_dashboard_has_lost_nothing_and_doubled_one_batch_at_most(
    broker: Broker, short_folder: Path
) -> None:
    yard = Graveyard(broker, short_folder)
    yard.bury(COUNT)
    retry = {"verb": "retry", "most": COUNT, "rate": 500.0}
    first = Dashboard(yard, short_folder)
    try:
        job = first.ask("dead/jobs", retry)
        assert job["state"] == "running", "it goes on after three seconds"
        assert 0 < job["done"] < COUNT
    finally:
        first.kill()
    second = Dashboard(yard, short_folder)
    try:
        assert all_back(yard, second)
    finally:
        second.kill()
