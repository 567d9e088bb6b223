"""A worker's link to each real broker: what goes in comes out, settled as asked."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.broker.delivery import Posting
from fleet.broker.link import Death
from fleet.protocol import Encoded
from fleet.spec import QueueSpec
from fleet.worker.headers import attempts_of
from tests.conftest import BROKERS, make_broker
from tests.integration.broker.links import Desk, call, first_arguments
from tests.support import unique


@pytest.fixture(params=[*BROKERS, "memory"])
def desk(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Desk]:
    """The last is any broker that fleet knows by kombu only."""
    for broker in make_broker(request.param, request, short_folder):
        desk = Desk(broker)
        yield desk
        desk.close()


def test_a_message_arrives_as_it_was_sent(desk: Desk) -> None:
    link = desk.link()
    desk.send("hello", **{"x-mine": "kept"})
    [delivery] = desk.receive(link)
    assert delivery.queue == desk.queue.name
    assert call(delivery).args == ("hello",)
    assert delivery.headers["x-mine"] == "kept"
    assert delivery.properties["correlation_id"] == "hello"
    assert (delivery.redelivered, delivery.attempt) == (False, 1)


def test_what_is_acked_never_comes_back(desk: Desk) -> None:
    link = desk.link()
    desk.send(1, 2, 3)
    link.ack(desk.receive(link, 3))
    link.close()
    assert desk.nothing(desk.link())


def test_acks_in_any_order_settle_just_those(desk: Desk) -> None:
    link = desk.link()
    desk.send(0, 1, 2, 3, 4)
    deliveries = desk.receive(link, 5)
    link.ack([deliveries[3], deliveries[0]])
    link.ack([deliveries[2]])
    link.close()
    assert sorted(first_arguments(desk.receive(desk.link(), 2))) == [1, 4]


def test_what_is_given_back_comes_again_marked(desk: Desk) -> None:
    first, second = desk.link(prefetch=1), desk.link(prefetch=1, connect=False)
    desk.send("x")
    deliveries = desk.receive(first)
    first.pause()  # or it would get it itself
    first.requeue(deliveries)
    second.connect()
    [again] = desk.receive(second)
    assert (again.redelivered, attempts_of(again)) == (True, 2)


def test_closing_gives_back_what_was_not_settled(desk: Desk) -> None:
    link = desk.link()
    desk.send("x")
    desk.receive(link)
    link.close()
    [again] = desk.receive(desk.link())
    assert again.redelivered


def test_no_more_than_the_prefetch_is_held(desk: Desk) -> None:
    link = desk.link(prefetch=2)
    desk.send(1, 2, 3)
    held = desk.receive(link, 2)
    assert desk.nothing(link)
    link.ack(held[:1])
    assert first_arguments(desk.receive(link)) == [3]


def test_a_larger_prefetch_takes_effect(desk: Desk) -> None:
    link = desk.link(prefetch=1)
    desk.send(1, 2, 3)
    desk.receive(link)
    link.set_prefetch(3)
    assert first_arguments(desk.receive(link, 2)) == [2, 3]


def test_several_queues_are_consumed(desk: Desk) -> None:
    other = QueueSpec(desk.broker.queue("other"))
    link = desk.link(desk.queue, other)
    desk.send("a")
    desk.send("b", queue=other)
    found = desk.receive(link, 2)
    assert {each.queue: call(each).args[0] for each in found} == {desk.queue.name: "a", other.name: "b"}


def test_a_paused_link_takes_nothing_until_it_resumes(desk: Desk) -> None:
    link = desk.link()
    link.pause()
    desk.send("x")
    assert desk.nothing(link)
    link.resume()
    assert first_arguments(desk.receive(link)) == ["x"]


def test_a_pause_holds_across_connections(desk: Desk) -> None:
    link = desk.link(connect=False)
    link.pause()
    link.connect()
    desk.send("x")
    assert desk.nothing(link)


def test_a_skipped_queue_is_left_alone_and_the_others_are_not(desk: Desk) -> None:
    other = QueueSpec(desk.broker.queue("other"))
    link = desk.link(desk.queue, other)
    link.skip([desk.queue.name])
    desk.send("kept")
    desk.send("wanted", queue=other)
    [wanted] = desk.receive(link)
    assert first_arguments([wanted]) == ["wanted"]
    link.ack([wanted])
    assert desk.nothing(link)
    link.set_prefetch(20)
    link.connect()
    assert desk.nothing(link), "it holds across connections"
    link.skip([other.name])
    assert first_arguments(desk.receive(link)) == ["kept"]
    link.skip([])
    desk.send("both", queue=other)
    assert first_arguments(desk.receive(link)) == ["both"]


def test_a_link_that_skips_everything_waits(desk: Desk) -> None:
    link = desk.link()
    link.skip([desk.queue.name])
    desk.send("later")
    assert desk.nothing(link)
    link.skip([])
    assert first_arguments(desk.receive(link)) == ["later"]


def test_waiting_ends_at_once_when_woken(desk: Desk) -> None:
    link = desk.link()
    threading.Timer(0.1, os.write, (desk.wake_write, b"x")).start()
    started = time.monotonic()
    assert link.wait(30, desk.wake_read) == []
    assert time.monotonic() - started < 10


def test_a_link_that_waits_is_woken_by_a_message(desk: Desk) -> None:
    link = desk.link()
    desk.producer()
    threading.Timer(0.1, desk.send, ("x",)).start()
    assert first_arguments(link.wait(30, desk.wake_read) or desk.receive(link)) == ["x"]


def test_a_link_gets_messages_of_higher_priority_first(desk: Desk) -> None:
    queue = QueueSpec(desk.broker.queue("urgent"), max_priority=10)
    desk.link(queue).close()  # declares it
    for body, priority in (("a", None), ("b", 0), ("c", 9), ("d", 5), ("e", 9)):
        properties = {} if priority is None else {"priority": priority}
        posting = Posting(queue.name, Encoded(b"[[], {}, null]", {"task": "t", "id": body}, properties))
        desk.producer().publish([posting], queue)
    found = desk.receive(desk.link(queue, prefetch=10), 5)
    order = "".join(delivery.headers["id"] for delivery in found)
    # Without one a message goes last, but on Redis first, where stock producers put theirs.
    # kombu's memory knows no priorities.
    assert order == {"redis": "acedb", "memory": "abcde"}.get(desk.broker.name, "cedab")


# --- retries, delays, dead letters ----------------------------------------------------------------------


def test_a_retry_comes_later_with_its_number(desk: Desk) -> None:
    link = desk.link()
    desk.send("x", retries=1)
    [delivery] = desk.receive(link)
    started = time.time()
    link.retry(delivery, delay_seconds=0.5, retries=2)
    [again] = desk.receive(link)
    assert time.time() - started >= 0.45
    assert (call(again).retries, call(again).args, again.headers["id"]) == (2, ("x",), "x")
    link.ack([again])
    assert desk.nothing(link)


def test_a_retry_without_delay_comes_back_at_once(desk: Desk) -> None:
    link = desk.link()
    desk.send("x")
    link.retry(desk.receive(link)[0], delay_seconds=0, retries=1)
    assert call(desk.receive(link)[0]).retries == 1


def test_a_retry_survives_the_worker(desk: Desk) -> None:
    link = desk.link()
    desk.send("x")
    link.retry(desk.receive(link)[0], delay_seconds=0.3, retries=1)
    link.close()
    assert call(desk.receive(desk.link())[0]).retries == 1


def test_a_delayed_message_is_not_early(desk: Desk) -> None:
    link = desk.link()
    started = time.time()
    desk.send("later", delay=0.6)
    desk.send("now")
    link.ack(desk.receive(link))
    assert first_arguments(desk.receive(link)) == ["later"]
    assert time.time() - started >= 0.55


def test_an_eta_of_celerys_is_waited_for(desk: Desk) -> None:
    """Celery clients put such a message straight into the queue."""
    link = desk.link()
    due = time.time() + 0.5
    desk.send(
        "later", eta=time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(due)) + f".{int(due % 1 * 1e6):06d}+00:00"
    )
    assert first_arguments(desk.receive(link)) == ["later"]
    assert time.time() >= due - 0.05


def test_the_dead_go_to_their_own_queue_with_the_reason(desk: Desk) -> None:
    link = desk.link()
    desk.send("x")
    [delivery] = desk.receive(link)
    link.dead_letter(delivery, Death("ValueError: no", "http/0", 1.0, traceback="Traceback …", exit_signal=9))
    [dead] = desk.receive(desk.link(desk.dead))
    death = dead.headers["x-fleet-death"]
    assert (death["reason"], death["worker"], death["queue"]) == ("ValueError: no", "http/0", desk.queue.name)
    assert (death["exit_signal"], death["traceback"]) == (9, "Traceback …")
    assert call(dead).args == ("x",)
    assert desk.nothing(link, 0.1)


def test_without_a_dead_letter_queue_the_dead_are_dropped(desk: Desk) -> None:
    plain = QueueSpec(desk.queue.name)
    link = desk.link(plain)
    desk.send("x", queue=plain)
    link.dead_letter(desk.receive(link)[0], Death("boom", "http/0", 1.0))
    link.close()
    assert desk.nothing(desk.link(plain))


def test_a_malformed_message_can_be_buried(desk: Desk) -> None:
    link = desk.link()
    desk.send("x", task=None, eta="rubbish")
    link.dead_letter(desk.receive(link)[0], Death("no `task` header", "http/0", 1.0))
    [dead] = desk.receive(desk.link(desk.dead))
    assert dead.headers["eta"] == "rubbish"


@pytest.mark.parametrize("desk", ["sqlite", "redis"], indirect=True)
def test_the_next_process_of_a_program_takes_over_from_one_that_was_killed(desk: Desk) -> None:
    """Also when nobody has told the broker of the death, for the controller was killed with it."""
    token, other = unique("token"), unique("other")
    killed = desk.link(prefetch=1, identity=f"http/0@host:7/{token}")
    elsewhere = desk.link(prefetch=1, identity=f"http/0@host:7/{other}")
    desk.send("held", "held elsewhere")
    desk.receive(killed)
    desk.receive(elsewhere)
    following = desk.link(identity=f"http/0@host:8/{token}")
    assert first_arguments(desk.receive(following)) == ["held"]
    assert desk.nothing(following), "the other one lives"


# --- settling twice, or too late ------------------------------------------------------------------------


def test_settling_twice_does_no_harm(desk: Desk) -> None:
    link = desk.link()
    desk.send(1, 2)
    deliveries = desk.receive(link, 2)
    link.ack(deliveries)
    link.ack(deliveries)
    link.requeue(deliveries)
    link.renew()
    assert desk.nothing(link, 0.1)


def test_messages_reach_queues_by_their_exchanges(desk: Desk) -> None:
    exchange = desk.broker.queue("exchange")
    images = QueueSpec(
        desk.broker.queue("images"), exchange=exchange, exchange_type="topic", routing_key="img.#"
    )
    audit = QueueSpec(desk.broker.queue("audit"), exchange=exchange, exchange_type="topic", routing_key="#")
    link = desk.link(images, audit)
    desk.send("x", queue=images)
    assert {each.queue for each in desk.receive(link, 2)} == {images.name, audit.name}
