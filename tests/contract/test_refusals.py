"""A full dead-letter queue: nothing is lost or multiplied, others run, the log says why."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import kombu
import pytest

from tests.conftest import make_broker
from tests.contract.conftest import POOLS
from tests.contract.harness import Mailbox, Worker
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]

FULL_AT_ONE = {"x-max-length": 1, "x-overflow": "reject-publish"}


@pytest.fixture(params=[*((pool, "classic") for pool in POOLS), ("prefork", "quorum")], ids="-".join)
def worker(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Worker]:
    """Not started yet, with a dead-letter queue that takes one message."""
    pool, kind = request.param
    arguments: dict[str, Any] = {"x-queue-type": "quorum"} if kind == "quorum" else {}
    for broker in make_broker("amqp", request, short_folder):
        mailbox = Mailbox(broker, arguments)
        # The mailbox empties its own dead-letter queue all the time.
        mailbox.queue = replace(mailbox.queue, dead_letter=f"{mailbox.queue.name}.full")
        worker = Worker(short_folder, mailbox, pool, {"max_retries": 0, "grace_period_seconds": 2.0})
        with kombu.Connection(broker.url) as client:
            client.default_channel.queue_declare(
                mailbox.queue.dead_letter, durable=True, auto_delete=False, arguments=FULL_AT_ONE
            )
        yield worker
        worker.stop()
        mailbox.close()


def count(worker: Worker, name: str) -> int:
    with closing(kombu.Connection(worker.mailbox.spec.url)) as client:
        return int(client.default_channel.queue_declare(name, passive=True).message_count)


def dead(worker: Worker) -> int:
    return count(worker, str(worker.mailbox.queue.dead_letter))


def test_a_full_dead_letter_queue_holds_up_what_failed_and_nothing_else(worker: Worker) -> None:
    mailbox, key = worker.mailbox, uuid.uuid4().hex
    worker.start()
    for _ in range(6):
        mailbox.send("fail", key)
    mailbox.send("note", f"{key}-good")
    worker.wrote(f"{key}-good")
    worker.wrote(key, 6)
    eventually(lambda: "refused a message for queue" in worker.log(), within=30)
    assert dead(worker) == 1
    assert count(worker, mailbox.queue.name) == 0

    taken = 0

    def all_arrive() -> bool:
        nonlocal taken
        with kombu.Connection(mailbox.spec.url) as client:
            taken += client.default_channel.queue_purge(str(mailbox.queue.dead_letter))
        return taken == 6

    eventually(all_arrive, within=90)
    mailbox.send("note", f"{key}-last")
    worker.wrote(f"{key}-last")
    worker.stop()
    assert dead(worker) == count(worker, mailbox.queue.name) == 0
    assert len(worker.journal(key)) == 6, "no task has run again for want of a place for its message"


def test_a_drain_ends_although_something_can_not_be_handed_on_and_loses_nothing(worker: Worker) -> None:
    mailbox, key = worker.mailbox, uuid.uuid4().hex
    worker.start()
    for _ in range(4):
        mailbox.send("fail", key)
    worker.wrote(key, 4)
    eventually(lambda: "refused a message for queue" in worker.log(), within=30)
    worker.stop()
    eventually(lambda: dead(worker) + count(worker, mailbox.queue.name) == 4, within=30)
