"""Dead letters for the page on all three brokers: a page of them, bulk actions, and a kill in the middle of one."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from fleet.broker.delivery import Death, Delivery
from fleet.broker.open import open_dead_letters
from fleet.broker.producer import Producer
from fleet.broker.reposting import dead_letter
from fleet.dashboard.bulk import BulkJob, BulkJobs, BulkOrder
from fleet.dashboard.letters import LetterFilter, one, page, with_arguments
from fleet.protocol import Call, encode
from fleet.spec import BrokerSpec, QueueSpec, RoutingSpec
from tests.conftest import Broker
from tests.support import eventually

pytestmark = pytest.mark.broker

# What the dashboard runs, in a process of its own that can be killed.
_RETRY_ALL = """
import asyncio, sys
from pathlib import Path
from fleet.dashboard.bulk import BulkJobs, BulkOrder
from fleet.dashboard.letters import LetterFilter

async def note(*_): pass

async def main():
    jobs = BulkJobs(Path(sys.argv[1]), note)
    job = jobs.start(BulkOrder("retry", LetterFilter(), "test", rate=200.0))
    while job.ended_at is None:
        print(job.done, flush=True)
        await asyncio.sleep(0.02)

asyncio.run(main())
"""


class Graveyard:
    """Two queues with dead letters, and the file with what is declared."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.spec = BrokerSpec(broker.url, lease_seconds=2.0)
        self.queue = QueueSpec(broker.queue("images"), dead_letter=broker.queue("images.dead"))
        self.file = folder / "routing.json"
        self.declare(self.queue)
        self._producer = Producer(self.spec)

    def declare(self, *queues: QueueSpec) -> None:
        self.file.write_text(RoutingSpec(self.spec, queues, ()).to_json())

    def bury(self, count: int, reason: str = "ValueError: no", queue: str = "", **call: Any) -> list[str]:
        assert self.queue.dead_letter is not None
        calls = [
            Call(f"m{reason[0]}{number:06}", "shop.resize", **{"args": (number,), **call})
            for number in range(count)
        ]
        postings = []
        for each in calls:
            made = encode(each)
            delivery = Delivery(None, queue or self.queue.name, made.body, made.headers, made.properties)
            postings.append(
                dead_letter(
                    delivery,
                    Death(
                        reason,
                        at=time.time() - 60,
                        worker="web/0",
                        traceback="Traceback\n  x",
                        exit_signal=None,
                    ),
                    self.queue.dead_letter,
                )
            )
        self._producer.publish(postings, QueueSpec(self.queue.dead_letter))
        return [each.id for each in calls]

    def counts(self) -> tuple[int, int]:
        """Messages that wait again, and dead ones."""
        letters = open_dead_letters(self.spec)
        assert letters is not None
        assert self.queue.dead_letter is not None
        try:
            return letters.count(self.queue.name), letters.count(self.queue.dead_letter)
        finally:
            letters.close()

    def do(self, order: BulkOrder) -> BulkJob:
        noted: list[tuple[str, str]] = []

        async def note(verb: str, outcome: str, _arguments: dict[str, Any]) -> None:
            noted.append((verb, outcome))

        async def run() -> BulkJob:
            jobs = BulkJobs(self.file, note)
            job = jobs.start(order)
            if order.canary:
                await jobs.wait(job, 20)
                assert (job.state, job.done) == ("waiting", order.canary)
                jobs.go_on(job)
            await jobs.wait(job, 30)
            return job

        job = asyncio.run(run())
        assert job.ended_at is not None
        if order.verb != "count":
            assert len(noted) == 2, "one line before, one after"
        return job


@pytest.fixture
def yard(broker: Broker, short_folder: Path) -> Graveyard:
    return Graveyard(broker, short_folder)


def test_a_page_shows_the_oldest_that_a_filter_chooses_and_leaves_them_there(yard: Graveyard) -> None:
    yard.bury(620)
    yard.bury(30, "TimeoutError: smtp")
    found = page(yard.file, LetterFilter(), 0, 50)
    assert (found["total"], found["matching"], len(found["messages"])) == (650, found["examined"], 50)
    assert found["messages"][0]["id"] == "mV000000"
    later = page(yard.file, LetterFilter(error="TimeoutError", older_seconds=5), 20, 50)
    if later["examined"] == 650:  # nothing else took the machine's time
        assert (later["matching"], len(later["messages"])) == (30, 10)
        assert [each["times"] for each in later["groups"]] == [30]
    assert page(yard.file, LetterFilter(text="MV00001"), 0, 50)["matching"] == 10
    assert page(yard.file, LetterFilter(older_seconds=3600), 0, 50)["matching"] == 0
    assert one(yard.file, "mV000007")["traceback"] == "Traceback\n  x"  # type: ignore[index]
    assert one(yard.file, "nobody") is None
    assert eventually(lambda: yard.counts() == (0, 650), message="all are left there")


def test_bulk_actions_do_what_the_filter_chooses_and_no_more(yard: Graveyard) -> None:
    yard.bury(40)
    yard.bury(25, "TimeoutError: smtp")
    slow = LetterFilter(error="TimeoutError")
    assert yard.do(BulkOrder("count", slow, "web:ann")).done == 25
    assert yard.counts() == (0, 65)
    job = yard.do(BulkOrder("retry", slow, "web:ann", most=20, canary=2, rate=500))
    assert (job.state, job.done, len(job.ids)) == ("done", 20, 2)
    assert yard.counts() == (20, 45)
    assert (
        yard.do(BulkOrder("delete", LetterFilter(ids=("mV000001", "mV000002", "x")), "web:ann", most=3)).done
        == 2
    )
    assert yard.do(BulkOrder("delete", LetterFilter(), "web:ann", most=10)).done == 10
    assert yard.counts() == (20, 33)


def test_an_edited_message_keeps_its_id_and_has_other_arguments(yard: Graveyard) -> None:
    [ident] = yard.bury(1)
    change = BulkOrder(
        "edit",
        LetterFilter(ids=(ident,)),
        "web:ann",
        most=1,
        change=lambda each: with_arguments(each, [2**60], {"width": 5}),
    )
    assert yard.do(change).done == 1
    letters = open_dead_letters(yard.spec)
    assert letters is not None
    [back] = letters.look(yard.queue.name, 5)
    letters.close()
    assert json.loads(back.body)[:2] == [[2**60], {"width": 5}]
    assert back.headers["id"] == ident
    assert back.headers["argsrepr"] == f"[{2**60}]"


def test_letters_whose_queue_is_gone_stay_and_hide_none_behind_them(yard: Graveyard) -> None:
    yard.bury(12, "KeyError: old", queue="gone")
    yard.bury(8)
    job = yard.do(BulkOrder("retry", LetterFilter(), "web:ann", rate=10))
    assert (job.done, job.stay, job.state) == (8, 12, "done")
    assert eventually(lambda: yard.counts() == (8, 12))


def test_a_kill_in_the_middle_loses_none_and_doubles_one_batch_at_most(yard: Graveyard) -> None:
    yard.bury(1500)
    retry = subprocess.Popen(
        [sys.executable, "-c", _RETRY_ALL, str(yard.file)], stdout=subprocess.PIPE, text=True
    )
    assert retry.stdout is not None
    while int(retry.stdout.readline() or 9999) < 400:
        pass
    os.kill(retry.pid, signal.SIGKILL)
    retry.wait()

    def settled() -> bool:
        again, dead = yard.counts()
        return 1500 <= again + dead <= 1700  # what was taken is back: at once, or when its lease is over

    eventually(settled, within=15)
    assert yard.do(BulkOrder("retry", LetterFilter(), "web:ann")).state == "done"
    again, dead = yard.counts()
    assert dead == 0
    assert 1500 <= again <= 1700
