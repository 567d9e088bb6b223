"""A message that takes its whole worker down: counted on every broker, quarantined, and nobody with it."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.broker.leases import release_owner
from tests.contract.harness import Mailbox, Worker

pytestmark = [pytest.mark.process, pytest.mark.broker]

MAX_DELIVERIES = 3


@pytest.fixture(params=["solo", "gevent"])
def ending_worker(request: pytest.FixtureRequest, short_folder: Path, mailbox: Mailbox) -> Iterator[Worker]:
    worker = Worker(short_folder, mailbox, request.param)
    yield worker
    worker.stop()


def test_a_message_that_kills_its_worker_is_quarantined_and_those_beside_it_run(
    ending_worker: Worker,
) -> None:
    worker, mailbox = ending_worker, ending_worker.mailbox
    worker.settings.update(prefetch=10, concurrency=3, max_deliveries=MAX_DELIVERIES)
    key = uuid.uuid4().hex
    ident = mailbox.send("crash", f"{key}-crash")
    for _ in range(4):  # they lie in the worker when it goes down, again and again
        mailbox.send("note", key)
    for _ in range(MAX_DELIVERIES):
        worker.start(ready=False)
        assert worker.wait(30) == -signal.SIGSEGV
        release_owner(mailbox.spec, worker.identity, MAX_DELIVERIES)  # as the controller does
    worker.start(ready=False)
    death = mailbox.dead(ident)
    assert death["reason"].startswith(f"handed out {MAX_DELIVERIES} times without an end")
    assert (death["worker"], death["queue"]) == ("contract/0", mailbox.queue.name)
    assert len(worker.journal(f"{key}-crash")) == MAX_DELIVERIES
    assert len(worker.wrote(key, 4)) == 4
    assert mailbox.take_all() == []


def test_killed_from_outside_a_prefork_workers_messages_count(short_folder: Path, mailbox: Mailbox) -> None:
    worker = Worker(short_folder, mailbox, "prefork", {"max_deliveries": MAX_DELIVERIES, "concurrency": 1})
    key = uuid.uuid4().hex
    ident = mailbox.send("nap", key, 60.0)
    for time in range(1, MAX_DELIVERIES + 1):
        worker.start(ready=False)
        worker.wrote(key, time, what="begin", within=30)
        worker.note_children()
        worker.signal(signal.SIGKILL)
        worker.wait()
        worker.assert_nothing_left()
        release_owner(mailbox.spec, worker.identity, MAX_DELIVERIES)
    worker.start(ready=False)
    assert mailbox.dead(ident)["reason"].startswith(f"handed out {MAX_DELIVERIES} times")
    worker.stop()
