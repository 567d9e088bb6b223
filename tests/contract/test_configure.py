"""Settings that change while the worker runs: the same in six pools, no process restarts for it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import make_broker
from tests.contract.conftest import POOLS
from tests.contract.controller import Controller
from tests.contract.harness import Mailbox, Worker
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]


@pytest.fixture
def controller(short_folder: Path) -> Iterator[Controller]:
    controller = Controller(short_folder)
    yield controller
    controller.close()


def make_worker(
    request: pytest.FixtureRequest, pool: str, broker_name: str, folder: Path, controller: Controller
) -> Iterator[Worker]:
    for broker in make_broker(broker_name, request, folder):
        mailbox = Mailbox(broker)
        worker = Worker(folder, mailbox, pool, control_socket=controller.path)
        try:
            yield worker
        finally:
            worker.stop()
            mailbox.close()


@pytest.fixture(params=POOLS)
def worker(request: pytest.FixtureRequest, short_folder: Path, controller: Controller) -> Iterator[Worker]:
    yield from make_worker(request, request.param, "sqlite", short_folder, controller)


@pytest.fixture(params=("threads", "prefork"))
def amqp_worker(
    request: pytest.FixtureRequest, short_folder: Path, controller: Controller
) -> Iterator[Worker]:
    yield from make_worker(request, request.param, "amqp", short_folder, controller)


def most_at_once(worker: Worker, key: str) -> int:
    running = most = 0
    for line in sorted(worker.journal(key), key=lambda line: line["at"]):
        running += 1 if line["what"] == "begin" else -1
        most = max(most, running)
    return most


def run(worker: Worker, count: int, seconds: float) -> int:
    """How many of these ran at the same time at most."""
    key = uuid.uuid4().hex
    for _ in range(count):
        worker.mailbox.send("nap", key, seconds)
    worker.wrote(key, 2 * count)
    return most_at_once(worker, key)


def grow_and_shrink(worker: Worker, controller: Controller) -> None:
    pid = worker.pid
    solo = worker.pool == "solo"
    controller.command("configure", revision="r2", settings={"concurrency": 5})
    controller.report(live_revision="r2", concurrency=1 if solo else 5)
    if worker.pool == "prefork":
        eventually(lambda: controller.last and len(controller.last.children) == 5, within=15)
    assert run(worker, 10, 0.2) == (1 if solo else 5)
    controller.command("configure", revision="r3", settings={"concurrency": 2})
    controller.report(live_revision="r3", concurrency=1 if solo else 2)
    if worker.pool == "prefork":
        eventually(lambda: controller.last and len(controller.last.children) == 2, within=15)
    assert run(worker, 6, 0.1) == (1 if solo else 2)
    assert controller.report(state="ready", revision="r1").pid == pid


def test_a_pool_grows_and_shrinks_while_it_runs(worker: Worker, controller: Controller) -> None:
    grow_and_shrink(worker.start(), controller)


def test_a_pool_grows_and_shrinks_while_it_runs_on_rabbitmq(
    amqp_worker: Worker, controller: Controller
) -> None:
    grow_and_shrink(amqp_worker.start(), controller)


def test_shrinking_lets_finish_what_runs(worker: Worker, controller: Controller) -> None:
    if worker.pool == "solo":
        pytest.skip("it has one slot")
    worker.start()
    key = uuid.uuid4().hex
    for _ in range(3):
        worker.mailbox.send("nap", key, 1.0)
    worker.wrote(key, 3, what="begin")
    controller.command("configure", revision="r2", settings={"concurrency": 1})
    controller.report(live_revision="r2")
    worker.wrote(key, 3, what="end")


def test_policies_change_for_tasks_that_name_none_of_their_own(
    worker: Worker, controller: Controller
) -> None:
    worker.start()
    controller.command("configure", revision="r2", settings={"max_retries": 0, "concurrency": 4})
    controller.report(live_revision="r2")
    ident = worker.mailbox.send("fail", uuid.uuid4().hex)
    assert "no retries" in worker.mailbox.dead(ident)["reason"]


def test_soft_limits_change_in_the_processes_that_run(worker: Worker, controller: Controller) -> None:
    if worker.pool == "threads":
        pytest.skip("nothing can interrupt a thread that sleeps")
    worker.start()
    controller.command(
        "configure", revision="r2", settings={"soft_time_limit_seconds": 0.2, "max_retries": 0}
    )
    controller.report(live_revision="r2")
    ident = worker.mailbox.send("nap", uuid.uuid4().hex, 30.0)
    assert "soft time limit 0.2s exceeded" in worker.mailbox.dead(ident)["reason"]


@pytest.mark.parametrize("worker", ["threads"], indirect=True)
def test_nothing_of_a_change_is_taken_when_something_in_it_makes_no_sense(
    worker: Worker, controller: Controller
) -> None:
    worker.start()
    controller.command("configure", revision="r2", settings={"concurrency": 7, "pool": "solo"})
    controller.command("configure", revision="r3", settings={"max_retries": 2})
    assert controller.report(live_revision="r3").concurrency == 3
    assert "'pool' can't change while the worker runs" in worker.log()
