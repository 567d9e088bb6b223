"""A worker that nobody can interrupt keeps its leases: its tasks are not run a second time beside it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.broker.consumer import Subscription
from fleet.broker.link import Link
from fleet.broker.open import open_store
from tests.conftest import Broker, make_broker
from tests.contract.harness import Mailbox, Worker
from tests.support import eventually, unique

pytestmark = [pytest.mark.process, pytest.mark.broker]

LEASE_SECONDS = 1.5


@pytest.fixture(params=["sqlite", "redis"])
def broker(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Broker]:
    yield from make_broker(request.param, request, short_folder)


@pytest.fixture(params=["solo", "threads", "gevent", "eventlet"])
def ending_worker(request: pytest.FixtureRequest, short_folder: Path, mailbox: Mailbox) -> Iterator[Worker]:
    mailbox.spec = replace(mailbox.spec, lease_seconds=LEASE_SECONDS)
    worker = Worker(short_folder, mailbox, request.param)
    yield worker
    worker.stop()


def test_a_blocked_worker_keeps_what_it_holds(ending_worker: Worker) -> None:
    """A rival looks for what the lease gives up, all the time that the task blocks the loop and its hub."""
    worker, mailbox = ending_worker.start(), ending_worker.mailbox
    key = uuid.uuid4().hex
    mailbox.send("spin", key, 3 * LEASE_SECONDS)
    worker.wrote(key, what="begin")
    rival = Link(Subscription(mailbox.spec, [mailbox.queue], prefetch=10, identity=unique("rival")))
    rival.connect()
    try:
        while len(worker.journal(key)) < 2:
            assert not rival.wait(0.2, mailbox._wake), "the lease ran out while its worker was at work"
    finally:
        rival.close()
    assert [line["what"] for line in worker.journal(key)] == ["begin", "end"]


@pytest.mark.parametrize("ending_worker", ["solo"], indirect=True)
def test_a_short_task_is_acked_while_the_long_one_behind_it_runs(ending_worker: Worker) -> None:
    """Both came in one batch, and solo's loop is blocked by the second."""
    worker, mailbox = ending_worker, ending_worker.mailbox
    worker.settings["prefetch"] = 2
    key = uuid.uuid4().hex
    mailbox.send("note", key)
    mailbox.send("nap", f"{key}-long", 4.0)
    worker.start()
    worker.wrote(f"{key}-long", what="begin")
    store = open_store(mailbox.spec)
    try:
        eventually(lambda: store.stats(mailbox.queue.name).claimed == 1, within=10, message="one is acked")
    finally:
        store.close()
    assert [line["what"] for line in worker.journal(f"{key}-long")] == ["begin"]
