"""`queue_order`: what the order of a group's queues means, in every pool and on every broker."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from fleet.spec import QueueSpec
from tests.contract.harness import Mailbox, Worker

pytestmark = [pytest.mark.process, pytest.mark.broker]

LENGTHS = pytest.mark.parametrize("seconds", [0.0, 0.2], ids=["short", "long"])


class Queues:
    """Three, of which `b` is empty; `a` and `c` are filled before any worker starts."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox
        self.all: tuple[QueueSpec, ...] = (mailbox.queue, mailbox.another_queue(), mailbox.another_queue())
        self.key = uuid.uuid4().hex

    def fill(self, which: int, count: int, seconds: float) -> None:
        for _ in range(count):
            self._mailbox.send("nap", self.key, seconds, queue=self.all[which].name)

    def sent(self, which: int, count: int, seconds: float) -> set[str]:
        """The same; ids."""
        return {
            self._mailbox.send("nap", self.key, seconds, queue=self.all[which].name) for _ in range(count)
        }


@pytest.fixture
def queues(mailbox: Mailbox) -> Queues:
    return Queues(mailbox)


def begun(worker: Worker, queues: Queues, count: int) -> list[str]:
    """The first so many ids, in the order in which they began."""
    lines = worker.wrote(queues.key, count, what="begin", within=90)
    return [line["id"] for line in lines[:count]]


@LENGTHS
def test_weighted_gives_the_last_queue_its_share(
    ending_worker: Worker, queues: Queues, seconds: float
) -> None:
    count = 24 if seconds else 80
    queues.fill(0, 2 * count, seconds)
    last = queues.sent(2, 2 * count, seconds)
    worker = ending_worker
    worker.settings |= {"queues": queues.all, "prefetch": worker.concurrency, "grace_period_seconds": 5.0}
    worker.start()
    share = sum(ident in last for ident in begun(worker, queues, count))
    # Three of `a` to one of `c`; what was taken in one go may be all of one queue.
    assert abs(share - count / 4) <= 2 * worker.concurrency + 1


@LENGTHS
def test_strict_does_all_of_the_first_queue_first(
    ending_worker: Worker, queues: Queues, seconds: float
) -> None:
    count = 9 if seconds else 60
    last = queues.sent(2, count, seconds)
    queues.fill(0, count, seconds)
    worker = ending_worker
    worker.settings |= {"queues": queues.all, "queue_order": "strict"}
    worker.start()
    order = begun(worker, queues, 2 * count)
    # Those that begin together may be written down in any order, and a pool process that the machine has put off
    # for a moment is handed a second one meanwhile.
    assert sum(ident in last for ident in order[:count]) < 2 * worker.concurrency


@pytest.mark.parametrize("ending_worker", ["threads", "prefork"], indirect=True)
@LENGTHS
def test_nobody_starves_with_several_workers_and_prefetch_auto(
    ending_worker: Worker, queues: Queues, mailbox: Mailbox, tmp_path: Path, seconds: float
) -> None:
    count = 40 if seconds else 1200
    queues.fill(0, count, seconds)
    last = queues.sent(2, count // 8, seconds)
    first = ending_worker
    second = Worker(tmp_path, mailbox, first.pool, environment={"CONTRACT_JOURNAL": str(first.journal_file)})
    try:
        for worker in (first, second):
            worker.settings |= {"queues": queues.all}
            worker.start()
        order = begun(first, queues, count + count // 8)
        behind_the_last = len(order) - 1 - max(order.index(ident) for ident in last)
        assert behind_the_last >= count // 8, "all of `c` is done while much of `a` still waits"
        assert len(set(order)) == len(order)
    finally:
        second.stop()
