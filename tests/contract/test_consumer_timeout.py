"""RabbitMQ closes the channel of a worker whose task takes longer than consumer_timeout: the task is not to blame."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from fleet.control import NEW_FIELDS
from fleet.protocol import Call, encode
from tests.brokers import OwnRabbit
from tests.conftest import Broker
from tests.contract.controller import Controller
from tests.contract.harness import APP, Mailbox, Worker
from tests.support import eventually

pytestmark = [pytest.mark.process, pytest.mark.broker]


@pytest.mark.parametrize("kind", ["classic", "quorum"])
@pytest.mark.parametrize("pool", ["threads", "gevent", "prefork"])
def test_a_task_that_is_longer_runs_once_and_is_not_buried(
    pool: str, kind: str, hasty_rabbit: OwnRabbit, short_folder: Path
) -> None:
    """It takes longer than five timeouts."""
    broker = Broker("amqp", hasty_rabbit.url)
    mailbox = Mailbox(broker, {"x-queue-type": "quorum"} if kind == "quorum" else {})
    controller = Controller(short_folder)
    settings = {"max_deliveries": 2, "concurrency": 2}
    worker = Worker(short_folder, mailbox, pool, settings, str(controller.path))
    key = uuid.uuid4().hex
    try:
        worker.start()
        controller.command("inspect", fields=sorted(NEW_FIELDS))
        ident = mailbox.send("nap", key, 12.0)
        worker.wrote(key, what="begin")

        def told() -> str:
            report = controller.last
            return "; ".join(report.warnings) if report else ""

        eventually(lambda: "consumer_timeout (2 s)" in told(), within=30, message=f"{told()}\n{worker.log()}")
        assert "x-consumer-timeout" in told()
        worker.wrote(key, what="end", within=60)
        eventually(lambda: "came back" in worker.log(), within=10, message=worker.log())
        eventually(
            lambda: controller.last and controller.last.in_flight == 0, within=15, message="it has ended"
        )
        # By the next tick the broker would have handed it out again, if it had not heard of the end.
        mailbox.send("note", f"{key}-after")
        worker.wrote(f"{key}-after")
        assert len([line for line in worker.journal(key) if line["what"] == "begin"]) == 1
        assert not mailbox.find_dead(ident)
        worker.stop()
        assert mailbox.take_all() == []
    finally:
        worker.stop()
        controller.close()
        mailbox.close()


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_nor_is_one_that_runs_alone_for_its_last_chance(
    kind: str, hasty_rabbit: OwnRabbit, short_folder: Path
) -> None:
    """It lies among the suspects again each time the channel is closed, and is taken back before it is blamed."""
    mailbox = Mailbox(
        Broker("amqp", hasty_rabbit.url), {"x-queue-type": "quorum"} if kind == "quorum" else {}
    )
    worker = Worker(short_folder, mailbox, "threads", {"max_deliveries": 2})
    key = uuid.uuid4().hex
    message = encode(Call(uuid.uuid4().hex, f"{APP}.nap", (key, 8.0)))
    try:
        mailbox.post(message._replace(headers={**message.headers, "x-fleet-crashes": 1}))
        worker.start()
        worker.wrote(key, what="begin")
        mailbox.send("note", f"{key}-after")
        worker.wrote(f"{key}-after", within=60)  # it had to wait
        assert [line["what"] for line in worker.journal(key)] == ["begin", "end"]
        assert "it still runs here" in worker.log()
        assert not mailbox.find_dead(str(message.headers["id"]))
    finally:
        worker.stop()
        mailbox.close()
