"""Schedules while a broker is killed with -9, and while a host is stopped for longer than any lease."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from tests.brokers import OwnRabbit, OwnRedis, OwnServer, rabbitmq_server, unavailable
from tests.conftest import Broker, make_broker
from tests.process.following import Following
from tests.process.test_schedules import APP, TICK, assert_each_once, file, goes_on, schedule, scheduler, sent
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

KILLS = 3


@pytest.fixture(params=["redis", "amqp"])
def own(request: pytest.FixtureRequest) -> Iterator[tuple[OwnServer, Broker]]:
    server: OwnServer
    if request.param == "redis":
        server = OwnRedis() if shutil.which("redis-server") else unavailable("Redis")  # type: ignore[func-returns-value]
    else:
        server = OwnRabbit() if rabbitmq_server() else unavailable("RabbitMQ")  # type: ignore[func-returns-value]
    server.start()
    try:
        yield server, Broker(request.param, server.url)  # type: ignore[attr-defined]
    finally:
        server.destroy()


def test_a_broker_that_is_killed_again_and_again_forgets_no_run(
    own: tuple[OwnServer, Broker], short_folder: Path
) -> None:
    server, broker = own
    with Following(short_folder, file(broker, TICK), APP) as fleet:
        goes_on(fleet)
        for _ in range(KILLS if broker.name == "redis" else 1):  # RabbitMQ takes its time to start
            server.stop(signal.SIGKILL)
            eventually(lambda: scheduler(fleet)["error"], within=120, message="the status says so")
            server.start()
            goes_on(fleet)
        runs = sent(broker, short_folder)
    assert_each_once(broker.token, runs, never_doubled=broker.name == "redis")


@pytest.fixture(params=["redis", "amqp"])
def shared(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Broker]:
    yield from make_broker(request.param, request, short_folder)


def test_a_host_that_is_stopped_for_longer_than_its_lease_sends_nothing_again(
    shared: Broker, short_folder: Path
) -> None:
    """As one that is cut off: it does not know; the other host goes on, and nothing is doubled when it comes back."""
    folders = [short_folder / name for name in ("one", "two")]
    url = f'url = "{shared.url}"\n'
    text = file(shared, TICK).replace(url, f'{url}heartbeat = "2s"\nlease = "4s"\n')
    for folder in folders:
        folder.mkdir()
    with Following(folders[0], text, APP) as one, Following(folders[1], text, APP) as two:

        def leading() -> Following:
            return next(each for each in (one, two) if scheduler(each)["leads"])

        first = eventually(leading, within=120)
        other = two if first is one else one
        goes_on(first)
        pid = scheduler(first)["pid"]
        os.kill(pid, signal.SIGSTOP)
        try:
            eventually(
                lambda: scheduler(other)["leads"], within=120, message="the other host has the schedules"
            )
            before = schedule(first, "tick")["last"]["moment"]
            eventually(
                lambda: seconds_after(schedule(other, "tick")["last"], before) > 6,
                within=120,
                message="longer than the lease",
            )
        finally:
            os.kill(pid, signal.SIGCONT)
        goes_on(other if shared.name == "amqp" else first)
        runs = sent(shared, short_folder)
    assert_each_once(shared.token, runs, never_doubled=shared.name == "redis")


def seconds_after(last: dict[str, str] | None, moment: str) -> float:
    assert last is not None
    return (datetime.fromisoformat(last["moment"]) - datetime.fromisoformat(moment)).total_seconds()
