"""Processes that have done their share are replaced, the new one first, and no message notices."""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import make_broker
from tests.contract.harness import Mailbox, Worker
from tests.support import alive, eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]


@pytest.fixture
def prefork(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Worker]:
    """Not started yet."""
    for broker in make_broker("sqlite", request, short_folder):
        mailbox = Mailbox(broker)
        worker = Worker(short_folder, mailbox, "prefork")
        try:
            yield worker
        finally:
            worker.stop()
            mailbox.close()


def test_a_pool_process_never_runs_more_than_max_tasks(prefork: Worker) -> None:
    prefork.settings.update(max_tasks=5, concurrency=2)
    prefork.start()
    key = uuid.uuid4().hex
    sent = {prefork.mailbox.send("nap", key, 0.01) for _ in range(40)}
    lines = prefork.wrote(key, 40, what="end")
    runs: dict[int, int] = {}
    for line in lines:
        runs[line["pid"]] = runs.get(line["pid"], 0) + 1
    assert {line["id"] for line in lines} == sent
    assert len(lines) == 40
    assert max(runs.values()) <= 5
    ended = set(runs) - {pid for pid, count in runs.items() if count < 5}
    eventually(lambda: not any(map(alive, ended)), message="those that are done have ended")


def test_nor_when_they_are_short_and_sent_ahead(prefork: Worker) -> None:
    prefork.settings.update(max_tasks=30, concurrency=2)
    prefork.start()
    key = uuid.uuid4().hex
    sent = {prefork.mailbox.send("note", key) for _ in range(400)}
    lines = prefork.wrote(key, 400)
    assert {line["id"] for line in lines} == sent
    assert len(lines) == 400
    assert max(Counter(line["pid"] for line in lines).values()) <= 30


def test_each_task_in_a_process_of_its_own(prefork: Worker) -> None:
    prefork.settings.update(max_tasks=1, concurrency=2)
    prefork.start()
    key = uuid.uuid4().hex
    for _ in range(10):
        prefork.mailbox.send("nap", key, 0.01)
    assert len({line["pid"] for line in prefork.wrote(key, 10, what="end")}) == 10


def test_a_process_that_grew_too_big_is_replaced_but_finishes_first(prefork: Worker) -> None:
    prefork.settings.update(max_memory_bytes=100 * 1024 * 1024, concurrency=1)
    prefork.start()
    key = uuid.uuid4().hex
    # Longer than LEAST_SECONDS: it is seen while the task runs, and the task runs to its end all the same.
    prefork.mailbox.send("grow", key, 120, 12.0)
    [grown] = prefork.wrote(key, what="grown", within=40)
    prefork.mailbox.send("note", f"{key}-after")
    [after] = prefork.wrote(f"{key}-after")
    assert after["pid"] != grown["pid"]
    assert "is replaced: max_memory 100MiB exceeded" in prefork.log()
    eventually(lambda: not alive(grown["pid"]))


def test_a_task_that_takes_far_too_much_memory_is_not_waited_for(prefork: Worker) -> None:
    prefork.settings.update(max_memory_bytes=80 * 1024 * 1024, concurrency=1, max_deliveries=2)
    prefork.start()
    key = uuid.uuid4().hex
    ident = prefork.mailbox.send("grow", key, 250, 60.0)
    death = prefork.mailbox.dead(ident, within=30)
    assert "over twice max_memory 80MiB" in death["reason"]
    assert len(prefork.journal(key)) == 2  # max_deliveries, and never its end
    prefork.mailbox.send("note", f"{key}-after")
    prefork.wrote(f"{key}-after")
