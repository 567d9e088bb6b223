"""A RabbitMQ with a memory or disk alarm: who publishes is told at once, who consumes goes on, nothing comes twice."""

from __future__ import annotations

import threading
import time
from unittest import mock

import kombu
import pytest

from fleet.broker.delivery import Death, Delivery, Posting, Refused
from fleet.broker.link import Link
from fleet.broker.open import broker_alarm, preflight, queue_stats
from fleet.broker.producer import Producer
from fleet.broker.rabbitmq import confirmed_publisher
from fleet.spec import RoutingSpec
from tests.brokers import OwnRabbit
from tests.conftest import Broker
from tests.integration.broker.links import Desk, first_arguments
from tests.support import eventually

pytestmark = pytest.mark.broker


def set_alarm(server: OwnRabbit, on: bool) -> None:
    alarm = "{resource_limit, memory, node()}"
    call = f"rabbit_alarm:set_alarm({{{alarm}, []}})." if on else f"rabbit_alarm:clear_alarm({alarm})."
    server.ctl("eval", call)


def ready(desk: Desk, name: str) -> int:
    with kombu.Connection(desk.broker.url) as client:
        return int(client.default_channel.queue_declare(name, passive=True).message_count)


def test_an_alarm_holds_up_who_publishes_and_nobody_else(own_rabbit: OwnRabbit) -> None:
    desk = Desk(Broker("amqp", own_rabbit.url))
    link = desk.link(prefetch=10)
    desk.send("retried", "dead", "fine", "back")
    retried, dead, fine, back = desk.receive(link, 4)
    link.retry(retried, delay_seconds=0.1, retries=1)  # opens the connection that publishes
    [retried] = desk.receive(link)
    set_alarm(own_rabbit, True)

    _sends_are_refused_soon(desk)
    assert "low on memory" in (broker_alarm(desk.spec) or "")
    [objection] = preflight(desk.spec, (desk.queue,), connections=1, seconds=20).objections
    assert "low on memory" in objection.text
    assert queue_stats(RoutingSpec(desk.spec, (desk.queue,), ()))[0].ready == 0

    link.retry(retried, delay_seconds=0.0, retries=2)
    link.dead_letter(dead, Death("of no use", "test", 0.0))
    assert link.held == 2
    assert "low on memory" in (link.refusal or "")
    link.ack([fine])
    tries = _count_tries(link)
    eventually(lambda: _turn(desk, link, 0.1) or len(tries) >= 4, within=60, message="both are tried again")
    assert link.held == 2
    link.requeue([back], counted=True)
    assert first_arguments(desk.receive(link)) == ["back"]

    set_alarm(own_rabbit, False)
    eventually(lambda: _turn(desk, link, 0.1) or not link.held, within=60)
    assert broker_alarm(desk.spec) is None
    desk.send("after")
    link.close()
    eventually(lambda: ready(desk, desk.dead.name) == 1)
    # "retried" once, "back", "after": nothing that was refused meanwhile has come after all, nothing came twice.
    eventually(lambda: ready(desk, desk.queue.name) == 3)
    desk.close()


def _count_tries(link: Link) -> list[Posting]:
    """What the link tries to publish in place of what it holds, from now on."""
    tries: list[Posting] = []
    replace = link._line.replace

    def counted(delivery: Delivery, *postings: Posting) -> None:
        tries.extend(postings)
        replace(delivery, *postings)

    link._line.replace = counted  # type: ignore[method-assign]
    return tries


def _sends_are_refused_soon(desk: Desk) -> None:
    """By a connection that was there before, and by a new one."""
    for number in range(2):
        sender = desk.producer() if number == 0 else Producer(desk.spec)
        raised: list[BaseException] = []

        def send(sender: Producer = sender, raised: list[BaseException] = raised) -> None:
            try:
                desk._producers[:] = [sender]
                desk.send("never")
            except Refused as error:
                raised.append(error)

        thread = threading.Thread(target=send, daemon=True)
        with mock.patch.object(
            confirmed_publisher, "_PROBE_AFTER_SECONDS", 0.0
        ):  # it has been idle for a moment
            thread.start()
            thread.join(20)
        assert raised, "a send hangs, or is taken"
        assert "low on memory" in str(raised[0])


def _turn(desk: Desk, link: Link, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        for delivery in link.wait(left, desk.wake_read):
            link.requeue([delivery], counted=False)
            return False
    return False
