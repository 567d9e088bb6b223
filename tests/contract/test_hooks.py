"""Lifecycle hooks and logging of fleet's own tasks, in the pools whose processes differ."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_broker
from tests.contract.harness import Mailbox, Worker
from tests.support import descendants, eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

APP = "tests.contract.hooks_app"


@pytest.fixture(params=["prefork", "threads", "gevent", "asyncio"])
def worker(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Worker]:
    for broker in make_broker("sqlite", request, short_folder):
        mailbox = Mailbox(broker)
        worker = Worker(short_folder, mailbox, request.param, settings={"app": (APP,), "concurrency": 2})
        yield worker
        worker.stop()
        mailbox.close()


def hooks(worker: Worker, what: str) -> list[dict[str, Any]]:
    return [line for line in worker.journal("hooks") if line["what"] == what]


def test_hooks_are_called_where_they_are_promised(worker: Worker) -> None:
    worker.start()
    good, bad = worker.mailbox.send(f"{APP}.logs", "hello"), worker.mailbox.send(f"{APP}.fails")
    worker.wrote("hooks", 2, what="task_end")
    assert sorted(line["outcome"] for line in hooks(worker, "task_end")) == ["failed", "succeeded"]
    assert worker.mailbox.dead(bad)["reason"].startswith("ValueError: no")
    assert [line["task"] for line in hooks(worker, "task_start") if line["task"].endswith("logs")] == [
        f"{APP}.logs"
    ]
    [started] = hooks(worker, "worker_start")
    processes = [line["pid"] for line in hooks(worker, "process_start")]
    assert len(processes) == len(set(processes)) == (2 if worker.pool == "prefork" else 1)
    assert (started["pid"] in processes) == (worker.pool != "prefork")
    assert {line["pid"] for line in hooks(worker, "task_start")} <= set(processes)
    assert good in worker.log()
    worker.stop()
    [stopped] = eventually(lambda: hooks(worker, "worker_stop"), within=10, message="worker_stop")
    assert stopped["pid"] == started["pid"]


def test_a_record_says_which_task_and_message_it_is_from(worker: Worker) -> None:
    worker.start()
    ident = worker.mailbox.send(f"{APP}.logs", "hello")
    worker.wrote("hooks", what="task_end")
    line = eventually(
        lambda: next((line for line in worker.log().splitlines() if "said: hello" in line), None),
        within=10,
        message="the record",
    )
    assert f"WARNING contract/0 {APP}.logs[{ident}] shop.images: said: hello" in line


def test_records_as_json_carry_the_worker_the_task_and_the_message(worker: Worker) -> None:
    worker.settings |= {"log_format": "json", "log_level": "WARNING"}
    worker.start()
    ident = worker.mailbox.send(f"{APP}.logs", "hello")
    worker.wrote("hooks", what="task_end")
    line = eventually(
        lambda: next((line for line in worker.log().splitlines() if "said: hello" in line), None),
        within=10,
        message="the record",
    )
    record = json.loads(line)
    assert (record["task"], record["id"], record["worker"]) == (f"{APP}.logs", ident, "contract/0")
    assert (record["message"], record["size"], record["level"]) == ("said: hello", 7, "WARNING")


def test_a_hook_that_fails_keeps_the_worker_from_starting(worker: Worker) -> None:
    worker.environment["HOOKS_FAIL"] = "1"
    worker.start(ready=False)
    assert worker.wait() == 3
    assert "@fleet.on_process_start: process_start: ConnectionError: the database is away" in worker.log()
    assert not descendants(worker.pid)
