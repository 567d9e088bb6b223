"""A worker that has done its share, or is stuck, says so: real workers, quick to judge (see hasty_app)."""

from __future__ import annotations

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.conftest import make_broker
from tests.contract.controller import Controller
from tests.contract.harness import Mailbox, Worker
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

MIB = 1024 * 1024


@pytest.fixture
def controller(short_folder: Path) -> Iterator[Controller]:
    controller = Controller(short_folder)
    yield controller
    controller.close()


@pytest.fixture
def worker(request: pytest.FixtureRequest, short_folder: Path, controller: Controller) -> Iterator[Worker]:
    """Parametrized by its pool; not started yet."""
    for broker in make_broker("sqlite", request, short_folder):
        mailbox = Mailbox(broker)
        worker = Worker(short_folder, mailbox, request.param, control_socket=controller.path)
        worker.settings["app"] = ("tests.contract.hasty_app",)
        try:
            yield worker
        finally:
            worker.stop()
            mailbox.close()


def pools(*names: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("worker", names, indirect=True)


@pools("solo", "threads", "gevent", "eventlet")
def test_a_worker_in_trouble_asks_for_a_replacement_and_works_on(
    worker: Worker, controller: Controller
) -> None:
    worker.settings["max_tasks"] = 3
    worker.start()
    key = uuid.uuid4().hex
    for _ in range(3):
        worker.mailbox.send("note", key)
    worker.wrote(key, 3)
    controller.report(recycle="max_tasks 3 reached", state="ready")
    worker.mailbox.send("note", f"{key}-after")
    worker.wrote(f"{key}-after")


@pools("threads")
def test_a_worker_tells_how_long_it_has_been_waiting_for_work(worker: Worker, controller: Controller) -> None:
    worker.start()
    eventually(lambda: controller.last and controller.last.idle_seconds >= 1)
    key = uuid.uuid4().hex
    worker.mailbox.send("nap", key, 5.0)
    worker.wrote(key, what="begin")
    controller.report(in_flight=1, idle_seconds=0.0)
    worker.wrote(key, what="end")
    eventually(lambda: controller.last and 0 < controller.last.idle_seconds < 5.9)
    controller.command("pause")
    controller.report(paused=True, idle_seconds=0.0)


@pools("prefork")
def test_what_waits_in_a_process_is_not_in_flight(worker: Worker, controller: Controller) -> None:
    worker.start()
    key = uuid.uuid4().hex
    for _ in range(500):
        worker.mailbox.send("note", key)

    def inspected() -> bool:
        controller.command("inspect")
        return len(worker.journal(key)) == 500

    eventually(inspected, within=30, message="all are done")
    controller.report(in_flight=0, succeeded=500)
    assert max(report.in_flight for report in controller.heard) <= worker.concurrency


@pools("threads")
def test_at_rest_it_leaves_reports_out_and_news_come_at_once(worker: Worker, controller: Controller) -> None:
    worker.start()
    controller.report(state="ready")
    eventually(lambda: len(controller.heard) > 3 and controller.heard[-3].idle_seconds > 0)
    *_, first, second = controller.heard
    assert second.idle_seconds - first.idle_seconds > 1.9, "every third second"
    key = uuid.uuid4().hex
    worker.mailbox.send("nap", key, 2.0)
    worker.wrote(key, what="end")
    eventually(lambda: controller.last and controller.last.succeeded == 1)
    assert any(report.in_flight for report in controller.heard)


@pools("threads")
def test_without_a_controller_it_ends_by_itself(worker: Worker, controller: Controller) -> None:
    worker.settings["max_age_seconds"] = 0.1
    worker.control_socket = ""
    worker.start()
    assert worker.wait() == 0
    assert "max_age 0.1s reached, and no replacement came" in worker.log()


@pools("solo", "threads", "gevent")
def test_far_too_much_memory_ends_it_by_itself(worker: Worker, controller: Controller) -> None:
    worker.settings["max_memory_bytes"] = 90 * MIB
    worker.start()
    key = uuid.uuid4().hex
    worker.mailbox.send("grow", key, 300, 2.0)
    assert worker.wait() == 0
    assert "over twice max_memory 90MiB" in worker.log()
    worker.wrote(key, what="grown")
    assert worker.mailbox.take_all() == []


@pools("gevent", "eventlet")
def test_a_hub_that_a_task_blocks_is_trouble(worker: Worker, controller: Controller) -> None:
    worker.start()
    key = uuid.uuid4().hex
    worker.mailbox.send("spin", key, 12.0)
    worker.wrote(key, what="begin")
    wait_for_trouble(controller, "loop has not turned")
    worker.wrote(key, what="end", within=90)
    controller.report(trouble=None)


@pools("solo", "threads")
def test_a_task_that_its_limit_cannot_stop_is_trouble(worker: Worker, controller: Controller) -> None:
    worker.start()
    key = uuid.uuid4().hex
    worker.mailbox.send("stubborn", key, 6.0)
    worker.wrote(key, what="begin")
    wait_for_trouble(controller, "beyond its time limit")
    worker.wrote(key, what="end", within=90)
    controller.report(trouble=None)


@pools("solo")
def test_a_long_task_is_no_trouble_where_it_blocks_the_loop_anyway(
    worker: Worker, controller: Controller
) -> None:
    worker.start()
    key = uuid.uuid4().hex
    worker.mailbox.send("nap", key, 9.0)  # above WEDGED_SECONDS
    worker.wrote(key, what="end", within=90)
    assert "in trouble" not in worker.log()


def wait_for_trouble(controller: Controller, words: str) -> None:
    eventually(lambda: words in str(controller.last and controller.last.trouble), within=20, message=words)


@pools("solo", "gevent", "prefork")
def test_a_broker_that_hangs_does_not_silence_its_worker(worker: Worker, controller: Controller) -> None:
    """Whose reports stop is killed: all workers would be, and again and again, for the broker's trouble."""
    worker.start()
    path = worker.mailbox.spec.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path, timeout=10, isolation_level=None)) as db:
        db.execute("BEGIN EXCLUSIVE")
        heard = len(controller.heard)
        # A renewal hangs by then, for 30 s at most: the mailbox's leases are of 5 s.
        eventually(lambda: len(controller.heard) > heard + 3, within=25, message="reports go on")
        db.execute("ROLLBACK")
