"""`prefetch = "auto"`: work is taken ahead while it is short, and left to others when it is not."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from fleet.broker.open import queue_stats
from fleet.spec import RoutingSpec
from tests.contract.harness import Worker
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]


def ready(worker: Worker) -> int:
    """Messages that wait in the broker."""
    mailbox = worker.mailbox
    return queue_stats(RoutingSpec(mailbox.spec, (mailbox.queue,), ()))[0].ready or 0


@pytest.mark.parametrize("short", [("note",), ("nap", 0.0)], ids=["another task", "the same task"])
def test_long_tasks_leave_the_rest_to_others(ending_worker: Worker, short: tuple[Any, ...]) -> None:
    worker = ending_worker
    worker.settings["grace_period_seconds"] = 0.5
    worker.start()
    slots = worker.concurrency
    key = uuid.uuid4().hex
    task, *arguments = short
    for _ in range(300):
        worker.mailbox.send(task, key, *arguments)
    worker.wrote(key, 300, what="" if task == "note" else "end")
    for _ in range(20):
        worker.mailbox.send("nap", f"{key}-long", 60.0)
    worker.wrote(f"{key}-long", slots, what="begin")
    # What runs came by what was taken ahead of short tasks: on RabbitMQ as many may lie here once more.
    spare = slots if worker.mailbox.broker_name == "amqp" and worker.pool != "solo" else 0
    eventually(lambda: ready(worker) >= 20 - slots - spare, within=45, message="the rest is given back")
    assert len(worker.journal(f"{key}-long")) == slots
    worker.note_children()
