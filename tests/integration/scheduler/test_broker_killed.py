"""kill -9 of the broker at every step of a beat: no run is forgotten, and on Redis none is sent twice."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fleet.broker.delivery import BrokerUnavailable
from fleet.scheduler.loop import Scheduler
from fleet.schedules.moments import MINUTE
from tests.brokers import OwnRabbit, OwnRedis, OwnServer, rabbitmq_server, unavailable
from tests.conftest import Broker
from tests.integration.scheduler.dying import Countdown, Hosts, minutely, mortal, wire_of
from tests.integration.scheduler.test_once import wanted
from tests.support import eventually

pytestmark = pytest.mark.broker

MOMENTS = {"redis": 40, "amqp": 3}
"""At most so many are tried: RabbitMQ takes its time to start."""


@dataclass
class Interruption(Countdown):
    """At step `at` the broker is gone; whoever talks with it finds that out."""

    interrupt: Callable[[], None] = field(default=lambda: None)

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            self.interrupt()


@pytest.fixture(params=["redis", "amqp"])
def own(request: pytest.FixtureRequest) -> Iterator[tuple[str, OwnServer]]:
    server: OwnServer
    if request.param == "redis":
        server = OwnRedis() if shutil.which("redis-server") else unavailable("Redis")  # type: ignore[func-returns-value]
    else:
        server = OwnRabbit() if rabbitmq_server() else unavailable("RabbitMQ")  # type: ignore[func-returns-value]
    server.start()
    try:
        yield request.param, server
    finally:
        server.destroy()


def test_a_broker_killed_at_any_step_of_a_beat_forgets_no_run(
    own: tuple[str, OwnServer], short_folder: Path
) -> None:
    name, server = own
    steps = beat(name, server, short_folder, 0)
    assert steps >= 4, "there were steps to be killed at"
    most = min(steps, MOMENTS[name])
    for number in range(most):
        beat(name, server, short_folder, 1 + number * steps // most)


def beat(name: str, server: OwnServer, folder: Path, at: int) -> int:
    """Two minutes of two schedules, the broker killed at step `at` of the first; how many steps that one has."""
    many = Hosts(Broker(name, server.url), folder, (minutely("tick"), minutely("tock")))  # type: ignore[attr-defined]
    try:
        scheduler = many.start()
        many.until_leading(scheduler)
        many.now += MINUTE + 1
        countdown = Interruption(at, interrupt=lambda: server.stop(signal.SIGKILL))
        with mortal(countdown, *wire_of(name)):
            try:
                many.step(scheduler)
            except BrokerUnavailable:
                assert at, "nobody killed it"
            steps = countdown.steps
        if server.process is None:
            server.start()
        many.now += MINUTE
        eventually(lambda: goes_on(many, scheduler), within=60, message="it is connected again")
        sent = many.sent()
        assert set(sent) == set(wanted(many.fleet, 2)), f"killed at step {at}: forgotten"
        if name == "redis":
            assert sorted(sent) == wanted(many.fleet, 2), f"killed at step {at}: doubled"
        return steps
    finally:
        many.close()


def goes_on(many: Hosts, scheduler: Scheduler) -> bool:
    """As its process does: connected anew after each failure."""
    try:
        if not scheduler.leads:
            scheduler.connect()
            many.until_leading(scheduler)
        many.step(scheduler)
    except BrokerUnavailable:
        scheduler.leads = False
        return False
    return True
