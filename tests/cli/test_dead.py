"""`fleet dead` on all three brokers: what is shown, what comes back, and that nothing is lost on the way."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.broker.consumer import Subscription
from fleet.broker.delivery import BrokerUnavailable, Death, Delivery, Posting
from fleet.broker.leased import dead_letters as leased_graves
from fleet.broker.link import Link
from fleet.broker.producer import Producer
from fleet.broker.rabbitmq import dead_letters as amqp_graves
from fleet.protocol import Call, decode, encode
from fleet.spec import BrokerSpec, QueueSpec
from tests.cli.invoke import Outcome, fleet
from tests.conftest import Broker
from tests.support import unique

pytestmark = pytest.mark.broker


class Yard:
    """A fleet.toml with two queues, on which messages die."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.file = folder / "fleet.toml"
        self.spec = BrokerSpec(broker.url)
        self.images, self.mails = (
            QueueSpec(broker.queue(name), dead_letter=broker.queue(f"{name}.dead"))
            for name in ("images", "mails")
        )
        self.write(self.images, self.mails)
        self._producer = Producer(self.spec)
        self._wake, self._other_end = os.pipe()

    def write(self, *queues: QueueSpec) -> None:
        tables = "".join(
            f'[queues."{queue.name}"]\ndead_letter = "{queue.dead_letter}"\n' for queue in queues
        )
        names = json.dumps([queue.name for queue in queues])
        self.file.write_text(
            f'[fleet]\napp = "x"\n[broker]\nurl = "{self.spec.url}"\n{tables}'
            f'[[routes]]\ntask = "*"\nqueue = "{queues[0].name}"\n'
            f'[workers.w]\nqueues = {names}\npool = "threads"\nconcurrency = 4\n'
        )

    def kill(self, queue: QueueSpec, count: int = 1, **death: Any) -> list[str]:
        """Messages die as they do in a worker; their ids."""
        calls = [Call(unique("m"), "shop.resize", (n,), {"width": 3}, retries=2) for n in range(count)]
        self._producer.publish([Posting(queue.name, encode(call)) for call in calls], queue)
        link = Link(Subscription(self.spec, [queue], prefetch=1000, identity=unique("worker")))
        link.connect()
        for delivery in self._receive(link, count):
            link.dead_letter(delivery, Death(**{**DEATH, "at": time.time(), **death}))
        link.close()
        return [call.id for call in calls]

    def take(self, queue: str, count: int) -> list[Delivery]:
        """What waits in a queue, which must be exactly that many."""
        link = Link(Subscription(self.spec, [QueueSpec(queue)], prefetch=1000, identity=unique("taker")))
        link.connect()
        found = self._receive(link, count)
        assert link.wait(0.1, self._wake) == []
        link.ack(found)
        link.close()
        return found

    def kill_call(self, queue: QueueSpec, call: Call) -> None:
        """As `kill`, one of the test's own."""
        self._producer.publish([Posting(queue.name, encode(call))], queue)
        link = Link(Subscription(self.spec, [queue], prefetch=1000, identity=unique("worker")))
        link.connect()
        for delivery in self._receive(link, 1):
            link.dead_letter(delivery, Death(**{**DEATH, "at": time.time()}))
        link.close()

    def _receive(self, link: Link, count: int) -> list[Delivery]:
        found: list[Delivery] = []
        deadline = time.monotonic() + 20
        while len(found) < count and time.monotonic() < deadline:
            found += link.wait(1.0, self._wake)
        assert len(found) == count
        return found

    def dead(self, *arguments: str) -> Outcome:
        return fleet("dead", *arguments, "--file", self.file)

    def ids(self, *arguments: str) -> list[str]:
        outcome = self.dead("list", "--json", *arguments)
        assert outcome.code == 0, outcome.err
        return [message["id"] for message in json.loads(outcome.out)["messages"]]

    def close(self) -> None:
        self._producer.close()
        os.close(self._wake)
        os.close(self._other_end)


DEATH = {"reason": "ValueError: no", "worker": "http/0", "traceback": "Traceback …\n  boom", "exit_signal": 9}


@pytest.fixture
def yard(broker: Broker, short_folder: Path) -> Iterator[Yard]:
    yard = Yard(broker, short_folder)
    yield yard
    yard.close()


def test_nothing_is_dead_on_a_broker_that_nobody_has_used(yard: Yard, broker: Broker) -> None:
    outcome = yard.dead("list")
    assert (outcome.code, outcome.out) == (0, "no dead messages\n")
    if broker.name == "sqlite":
        assert not Path(broker.url.removeprefix("sqlite:///")).exists(), "looking made a broker"


def test_list_tells_what_died_and_why_and_leaves_it(yard: Yard) -> None:
    first, second = yard.kill(yard.images, 2)
    [third] = yard.kill(yard.mails, reason="KeyError: 'to'")
    assert yard.ids() == [first, second, third]
    assert yard.ids("--limit", "1") == [first]
    assert yard.ids("--queue", yard.mails.name) == [third]
    assert yard.ids("--queue", str(yard.images.dead_letter)) == [first, second]
    table = yard.dead("list").out
    assert "shop.resize" in table
    assert "KeyError: 'to'" in table
    assert yard.ids() == [first, second, third], "looking took something, or changed the order"


def test_dead_show_tells_all_that_the_record_knows(yard: Yard) -> None:
    ident = yard.kill(yard.images, 2)[1]
    page = yard.dead("show", ident).out
    for words in (ident, yard.images.name, "ValueError: no", "on http/0", "SIGKILL", "  boom", "[1]"):
        assert words in page, words
    shown = json.loads(yard.dead("show", ident[:-1], "--json").out)
    assert (shown["id"], shown["args"], shown["kwargs"]) == (ident, [1], {"width": 3})
    assert (shown["queue"], shown["worker"], shown["exit_signal"]) == (yard.images.name, "http/0", 9)
    assert (shown["delivery"], shown["retries"]) == (1, 2)
    assert yard.dead("show", "nobody").code == 1
    assert "part of several ids" in yard.dead("show", "m-").err


def test_retry_brings_one_back_as_new(yard: Yard) -> None:
    first, second, third = yard.kill(yard.images, 3)
    outcome = yard.dead("retry", second)
    assert (outcome.code, outcome.out) == (0, "sent back 1 message\n")
    [delivery] = yard.take(yard.images.name, 1)
    assert delivery.headers["id"] == second
    assert delivery.headers["retries"] == 0
    assert not [name for name in delivery.headers if name.startswith("x-fleet")]
    assert delivery.attempt == 1
    assert yard.ids() == [first, third]


def test_dead_retry_all_with_a_queue_brings_back_only_that_queues(yard: Yard) -> None:
    images, mails = yard.kill(yard.images, 3), yard.kill(yard.mails, 2)
    outcome = yard.dead("retry", "--all", "--queue", yard.images.name, "--json")
    assert json.loads(outcome.out) == {"retried": 3, "not_found": [], "stay": []}
    assert [each.headers["id"] for each in yard.take(yard.images.name, 3)] == images
    assert yard.ids() == mails


def test_retry_of_many_goes_in_batches(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.broker.dead_letter_browser._BATCH", 10)
    sent = yard.kill(yard.images, 35)
    assert json.loads(yard.dead("retry", "--all", "--json").out)["retried"] == 35
    assert [each.headers["id"] for each in yard.take(yard.images.name, 35)] == sent
    assert yard.ids() == []


def test_a_retry_that_is_cut_off_loses_nothing(yard: Yard, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a batch is published, before it has left the dead-letter queue; and after two of three batches."""
    monkeypatch.setattr("fleet.broker.dead_letter_browser._BATCH", 2)
    sent = yard.kill(yard.images, 6)

    def cut_off(*_: object) -> int:
        raise BrokerUnavailable("cut off")

    with monkeypatch.context() as broken:
        if yard.spec.url.startswith("amqp"):
            broken.setattr(amqp_graves.RabbitDeadLetters, "drop", cut_off)
        else:
            real = leased_graves.LeasedDeadLetters.move

            def move_two_batches(self: Any, *arguments: Any) -> int:
                if getattr(self, "moved", 0) == 2:
                    cut_off()
                self.moved = getattr(self, "moved", 0) + 1
                return real(self, *arguments)

            broken.setattr(leased_graves.LeasedDeadLetters, "move", move_two_batches)
        outcome = yard.dead("retry", "--all")
    assert outcome.code == 1
    assert "cut off" in outcome.err
    dead = yard.ids()
    back = [each.headers["id"] for each in yard.take(yard.images.name, 2 if len(dead) == 6 else 4)]
    assert set(dead) | set(back) == set(sent)


def test_ids_that_are_not_there_are_named(yard: Yard) -> None:
    [ident] = yard.kill(yard.images)
    outcome = yard.dead("retry", ident, "nobody")
    assert outcome.code == 1
    assert "nobody: no dead message with this id" in outcome.err
    assert len(yard.take(yard.images.name, 1)) == 1


def test_a_dead_letter_whose_queue_is_not_declared_any_more_stays(yard: Yard) -> None:
    """Its queue is gone from the file: nobody would consume it there."""
    [ident] = yard.kill(yard.images)
    yard.write(QueueSpec(yard.mails.name, dead_letter=yard.images.dead_letter))
    outcome = yard.dead("retry", "--all")
    assert outcome.code == 1
    assert "is not declared any more" in outcome.err
    assert yard.ids() == [ident]


def test_purge_asks_and_deletes_only_what_is_meant(yard: Yard) -> None:
    first, second = yard.kill(yard.images, 2)
    [third] = yard.kill(yard.mails)
    refused = yard.dead("purge", "--all")
    assert refused.code == 2
    assert "delete 3 messages for ever? Say --yes" in refused.err
    assert yard.ids() == [first, second, third]
    assert yard.dead("purge", first, "--yes").out == "deleted 1 message\n"
    assert yard.ids() == [second, third]
    assert yard.dead("purge", "--all", "--queue", yard.images.name, "--yes").code == 0
    assert yard.ids() == [third]


@pytest.mark.parametrize("verb", ["retry", "purge"])
def test_ids_or_all_must_be_said(verb: str, tmp_path: Path) -> None:
    file = tmp_path / "fleet.toml"
    file.write_text(
        '[fleet]\napp = "x"\n[queues.q]\n[[routes]]\ntask = "*"\nqueue = "q"\n'
        '[workers.w]\nqueues = ["q"]\npool = "solo"\n'
    )
    assert fleet("dead", verb, "-f", file).code == 2
    assert fleet("dead", verb, "x", "--all", "-f", file).code == 2
    unknown = fleet("dead", verb, "--all", "--queue", "nowhere", "-f", file)
    assert unknown.code == 2
    assert "no queue 'nowhere'; known are q, q.dead" in unknown.err


def test_secrets_among_the_arguments_are_masked_and_come_back_whole(yard: Yard) -> None:
    given = {"to": "ann", "smtp": {"password": "hunter2"}, "db": "postgres://u:hunter2@db/x"}
    call = Call(unique("m"), "shop.mail", ({"api_key": "hunter2"},), given)
    yard.kill_call(yard.mails, call)
    for arguments in (("show", call.id), ("show", call.id, "--json"), ("list", "--json"), ("list",)):
        shown = yard.dead(*arguments)
        assert shown.code == 0, shown.err
        assert "hunter2" not in shown.out
    masked = json.loads(yard.dead("show", call.id, "--json").out)
    assert masked["kwargs"] == {"to": "ann", "smtp": {"password": "***"}, "db": "postgres://u:***@db/x"}
    assert masked["args"] == [{"api_key": "***"}]
    for arguments in (("show", call.id), ("list",)):
        revealed = json.loads(yard.dead(*arguments, "--json", "--reveal").out)
        assert revealed.get("messages", [revealed])[0]["kwargs"] == given
    assert "hunter2" in yard.dead("show", call.id, "--reveal").out
    assert yard.dead("retry", call.id).code == 0
    [back] = yard.take(yard.mails.name, 1)
    assert decode(back, accept=("json",)).kwargs == given
