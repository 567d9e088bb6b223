"""Schedules while a broker is killed with -9, and while a host is stopped for longer than any lease."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fleet.launch_specs import SchedulerLaunch, ScheduleSpec
from fleet.spec import BrokerSpec, QueueSpec, RouteSpec, RoutingSpec
from tests.brokers import OwnRedis, unavailable
from tests.conftest import Broker, make_broker
from tests.process.following import Following
from tests.process.test_schedules import APP, PERIOD, TICK, assert_each_once, file, goes_on, scheduler, sent
from tests.support import ROOT, eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]


def test_a_fleet_whose_broker_is_killed_says_so_and_forgets_no_run(short_folder: Path) -> None:
    """At which step the broker dies: tests/integration/scheduler/test_broker_killed.py, for RabbitMQ as well."""
    if not shutil.which("redis-server"):
        unavailable("Redis")
    server = OwnRedis()
    server.start()
    broker = Broker("redis", server.url)
    try:
        with Following(short_folder, file(broker, TICK), APP) as fleet:
            goes_on(fleet)
            server.stop(signal.SIGKILL)
            eventually(lambda: scheduler(fleet)["error"], within=120, message="the status says so")
            server.start()
            goes_on(fleet)
            runs = sent(broker, short_folder)
        assert_each_once(broker.token, runs)
    finally:
        server.destroy()


@pytest.fixture(params=["redis", "amqp"])
def shared(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Broker]:
    yield from make_broker(request.param, request, short_folder)


@dataclass
class Host:
    """A scheduler's process alone: supervisor, controller and workers have no part in this."""

    pid: int
    known: Path

    def knows(self) -> dict[str, Any]:
        assert self.known.exists(), "it has not said anything yet"
        found: dict[str, Any] = json.loads(self.known.read_text())
        return found

    @property
    def leads(self) -> bool:
        """One that only waits for its turn may have said nothing at all."""
        return self.known.exists() and bool(self.knows()["leads"])

    def last(self) -> int:
        """The moment that was sent last, as far as this host knows."""
        found = self.knows()["schedules"].get("tick", {}).get("last")
        assert found is not None, "nothing is sent yet"
        return int(found)


@contextmanager
def host(folder: Path, broker: Broker) -> Iterator[Host]:
    folder.mkdir()
    queue = QueueSpec(broker.queue("held"))
    spec = BrokerSpec(broker.url, heartbeat_seconds=2, lease_seconds=2)
    routing = RoutingSpec(spec, (queue,), (RouteSpec(("*",), queue.name),))
    tick = ScheduleSpec("tick", "work.tick", every_seconds=PERIOD / 1000, catch_up="all")
    known = folder / "known.json"
    launch = folder / "scheduler.json"
    launch.write_text(
        SchedulerLaunch(broker.token, routing, (tick,), "fleet.toml", str(known)).to_json(), encoding="utf-8"
    )
    process = subprocess.Popen([sys.executable, "-m", "fleet.scheduler", str(launch)], cwd=ROOT)
    try:
        yield Host(process.pid, known)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()


def test_a_host_that_is_stopped_for_longer_than_its_lease_sends_nothing_again(
    shared: Broker, short_folder: Path
) -> None:
    """As one that is cut off: it does not know; the other host goes on, and nothing is doubled when it comes back."""
    with host(short_folder / "one", shared) as one, host(short_folder / "two", shared) as two:

        def leading() -> Host:
            found = [each for each in (one, two) if each.leads]
            assert found, "nobody leads yet"
            return found[0]

        first = eventually(leading, within=60)
        other = two if first is one else one
        before = eventually(first.last, within=60)
        os.kill(first.pid, signal.SIGSTOP)
        try:
            eventually(lambda: other.leads, within=120, message="the other host has the schedules")
            # It sends all that was due: three times as long as heartbeat and lease.
            eventually(lambda: other.last() - before > 6000, within=120, message="longer than the lease")
        finally:
            os.kill(first.pid, signal.SIGCONT)
        last = other.last()
        again = other if shared.name == "amqp" else first
        eventually(lambda: again.last() > last + 4 * PERIOD, within=60, message="it goes on")
    runs = sent(shared, short_folder)
    assert_each_once(shared.token, runs, never_doubled=shared.name == "redis")
