"""What a RabbitMQ refuses although it is there: nothing is lost, nothing multiplied, and the reason is told."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import kombu
import pytest

from fleet.broker.delivery import Death, Posting, Refused
from fleet.broker.link import Delivery, Link
from fleet.broker.open import broker_alarm, open_dead_letters, preflight, queue_stats
from fleet.broker.reposting import requeued
from fleet.broker.topology import delay_queue, due_queue
from fleet.spec import QueueSpec, RoutingSpec
from fleet.worker.headers import attempts_of, retries_of
from tests.conftest import Broker, make_broker
from tests.integration.broker.conftest import rabbitmqctl
from tests.integration.broker.links import Desk, call, first_arguments
from tests.support import eventually

pytestmark = pytest.mark.broker

FULL_AT_ONE = {"x-max-length": 1, "x-overflow": "reject-publish"}
DEATH = Death("of no use", "test", 0.0)


@pytest.fixture(params=["classic", "quorum"])
def desk(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Desk]:
    for broker in make_broker("amqp", request, short_folder):
        desk = Desk(broker)
        arguments = {"x-queue-type": "quorum"} if request.param == "quorum" else {}
        desk.queue = replace(desk.queue, arguments=arguments)
        desk.dead = replace(desk.dead, arguments=arguments)
        yield desk
        desk.close()


def limited(queue: QueueSpec) -> QueueSpec:
    return replace(queue, arguments={**queue.arguments, **FULL_AT_ONE})


def declare(desk: Desk, queue: QueueSpec) -> None:
    with kombu.Connection(desk.broker.url) as client:
        client.default_channel.queue_declare(
            queue.name, durable=True, auto_delete=False, arguments=queue.arguments
        )


def ready(desk: Desk, name: str) -> int:
    with kombu.Connection(desk.broker.url) as client:
        try:
            return int(client.default_channel.queue_declare(name, passive=True).message_count)
        except client.channel_errors:
            return 0


def fill(desk: Desk, queue: QueueSpec) -> int:
    """Until it refuses: quorum queues let a few more in. How many went in."""
    for number in range(50):
        try:
            desk.send(f"filler {number}", queue=queue)
        except Refused:
            return number
    raise AssertionError("it never refuses")


def take_out(desk: Desk, queue: QueueSpec) -> None:
    with kombu.Connection(desk.broker.url) as client:
        client.default_channel.queue_purge(queue.name)


def turn(desk: Desk, link: Link, seconds: float = 0.05) -> list[Delivery]:
    return link.wait(seconds, desk.wake_read)


def names(deliveries: Sequence[Delivery]) -> list[str]:
    return sorted(str(call(each).args[0]) for each in deliveries)


# --- dead letters ---------------------------------------------------------------------------------------


def test_dead_letters_that_a_full_queue_refuses_stay_and_follow_when_there_is_room(desk: Desk) -> None:
    declare(desk, limited(desk.dead))
    there = fill(desk, limited(desk.dead))
    link = desk.link()
    desk.send(1, 2, 3)
    for delivery in desk.receive(link, 3):
        link.dead_letter(delivery, DEATH)
    assert link.held == 3
    assert "refused a message for queue" in (link.refusal or "")
    assert "3 held" in (link.refusal or "")
    deadline = time.monotonic() + 4  # several tries
    while time.monotonic() < deadline:
        assert turn(desk, link) == []
        assert ready(desk, desk.dead.name) == there, "a refused message is nowhere twice"
        assert ready(desk, desk.queue.name) == 0

    def all_handed_on() -> bool:
        turn(desk, link)
        if link.held:
            take_out(desk, desk.dead)
        return not link.held

    eventually(all_handed_on, within=90)
    link.close()
    assert ready(desk, desk.queue.name) == 0


def test_what_is_held_for_too_long_goes_back_before_the_broker_takes_everything_back(desk: Desk) -> None:
    declare(desk, limited(desk.dead))
    fill(desk, limited(desk.dead))
    link = desk.link()
    link._line.longest_hold_seconds = 1.5
    desk.send("x")
    link.dead_letter(*desk.receive(link), DEATH)
    assert first_arguments(desk.receive(link, 1, within=30)) == ["x"]
    assert link.held == 0


def test_others_are_worked_on_while_dead_letters_are_held(desk: Desk) -> None:
    declare(desk, limited(desk.dead))
    fill(desk, limited(desk.dead))
    link = desk.link(prefetch=2)
    desk.send(*range(8))
    seen: list[Delivery] = []

    def all_have_run() -> bool:
        for each in turn(desk, link):
            seen.append(each)
            link.dead_letter(each, DEATH)
        return len(seen) == 8

    eventually(all_have_run, within=30)
    desk.send("good")
    link.ack(desk.receive(link))
    assert link.held == 8


def test_what_was_refused_once_does_not_spoil_what_is_given_back_later(desk: Desk) -> None:
    """The publisher remembered a refusal for ever: each thing given back was published and never acked."""
    declare(desk, limited(desk.dead))
    fill(desk, limited(desk.dead))
    link = desk.link()
    desk.send("dead", "later", "back")
    by_name = {call(each).args[0]: each for each in desk.receive(link, 3)}
    link.dead_letter(by_name["dead"], DEATH)
    link.pause()
    link.requeue([by_name["back"]], counted=True)
    link.requeue([by_name["later"]], counted=False)
    eventually(lambda: ready(desk, desk.queue.name) == 2)
    link.close()
    eventually(lambda: ready(desk, desk.queue.name) == 3)


# --- retries and what is given back, into a queue that is full ------------------------------------------


@pytest.mark.parametrize("delay", [0.0, 0.3])
def test_a_retry_into_a_full_queue_comes_when_there_is_room(desk: Desk, delay: float) -> None:
    desk.queue = limited(desk.queue)
    link = desk.link(prefetch=1)
    desk.send("retried")
    [delivery] = desk.receive(link)
    link.pause()
    there = fill(desk, desk.queue)
    link.retry(delivery, delay_seconds=delay, retries=1)
    deadline = time.monotonic() + 2
    while time.monotonic() < deadline:
        assert turn(desk, link) == []
        assert ready(desk, desk.queue.name) == there
    link.resume()
    seen: list[Delivery] = []

    def comes() -> bool:
        arrived = turn(desk, link)
        link.ack(arrived)
        seen.extend(arrived)
        return "retried" in names(seen)

    eventually(comes, within=60)
    [again] = [each for each in seen if call(each).args[0] == "retried"]
    assert retries_of(again) == 1
    assert len(seen) == there + 1
    assert desk.nothing(link, 0.5)


def test_what_came_due_in_front_of_a_full_queue_survives_the_worker(desk: Desk) -> None:
    desk.queue = limited(desk.queue)
    link = desk.link(prefetch=1)
    desk.send("retried")
    [delivery] = desk.receive(link)
    link.pause()
    there = fill(desk, desk.queue)
    link.retry(delivery, delay_seconds=0.2, retries=1)
    turn(desk, link, 1.0)
    link.close()
    other = desk.link(prefetch=5)
    seen: list[Delivery] = []

    def comes() -> bool:
        arrived = turn(desk, other)
        other.ack(arrived)
        seen.extend(arrived)
        return len(seen) == there + 1

    eventually(comes, within=60)
    assert "retried" in names(seen)
    assert ready(desk, due_queue(desk.queue.name)) == 0


def test_giving_back_into_a_full_queue_keeps_one_of_each(desk: Desk) -> None:
    desk.queue = limited(desk.queue)
    link = desk.link(prefetch=1)
    desk.send("x")
    deliveries = desk.receive(link)
    link.pause()
    there = fill(desk, desk.queue)
    link.requeue(deliveries, counted=True)
    link.close()
    link = desk.link(prefetch=50)
    seen: list[Delivery] = []

    def all_came() -> bool:
        seen.extend(turn(desk, link))
        return len(seen) >= there + 1

    eventually(all_came, within=60)
    assert desk.nothing(link, 0.5)
    assert len(names(seen)) == len(set(names(seen))) == there + 1


def test_what_comes_back_to_a_full_queue_is_counted_all_the_same(desk: Desk) -> None:
    """Else a message that kills its worker would be "the second time" for ever."""
    desk.queue = limited(desk.queue)
    desk.send("killer")
    for expected in (1, 2, 3):
        link = desk.link(prefetch=1)
        found: list[Delivery] = []

        def comes(link: Link = link, found: list[Delivery] = found) -> bool:
            for each in turn(desk, link):
                if call(each).args[0] == "killer":
                    found.append(each)
                else:
                    link.ack([each])
            return bool(found)

        eventually(comes, within=60)
        assert attempts_of(found[0]) == expected
        fill(desk, desk.queue)
        link.close()  # as if it had been killed


# --- sends ----------------------------------------------------------------------------------------------


def test_of_a_batch_that_is_refused_in_part_nothing_is_sent_twice(desk: Desk) -> None:
    desk.queue = limited(desk.queue)
    with pytest.raises(Refused) as caught:
        desk.send(*range(400))
    refused = [posting for posting in caught.value.postings if isinstance(posting, Posting)]
    assert 0 < len(refused) < 400
    eventually(lambda: ready(desk, desk.queue.name) + len(refused) == 400)


# --- rights and limits ----------------------------------------------------------------------------------


def limit_rights(name: str, case: str) -> str:
    """What the refusal then says."""
    if case == "max-queues":
        rabbitmqctl("set_vhost_limits", "-p", name, '{"max-queues": 1}')
        return "limit"
    rabbitmqctl("set_permissions", "-p", name, name, "^(?!fleet\\.delay|.*dead).*", ".*", ".*")
    return "access to"


@pytest.mark.parametrize("case", ["max-queues", "no right"])
def test_queues_that_may_not_be_made_cost_neither_message_nor_connection(vhost: str, case: str) -> None:
    desk = Desk(Broker("amqp", vhost))
    link = desk.link(prefetch=5)
    said = limit_rights(vhost.rpartition("/")[2], case)
    desk.send("retried", "dead", "innocent")
    by_name = {call(each).args[0]: each for each in desk.receive(link, 3)}
    connection = link._line._opened  # type: ignore[attr-defined]
    link.retry(by_name["retried"], delay_seconds=1.0, retries=1)
    assert said in (link.refusal or "")
    assert delay_queue(1000) in (link.refusal or "")
    [again] = desk.receive(link, 1, within=30)
    assert (call(again).args[0], retries_of(again)) == ("retried", 1)
    link.ack([again])
    link.dead_letter(by_name["dead"], DEATH)
    assert desk.dead.name in (link.refusal or "")
    turn(desk, link, 0.1)
    assert link._line._opened is connection, "nothing that runs is given out again"  # type: ignore[attr-defined]
    link.ack([by_name["innocent"]])
    link.close()
    assert ready(desk, desk.queue.name) == 1, "the dead one, which is nowhere else"
    desk.close()


def test_a_message_that_is_early_is_kept_by_the_worker_where_the_broker_can_not(vhost: str) -> None:
    desk = Desk(Broker("amqp", vhost))
    link = desk.link(prefetch=5)
    limit_rights(vhost.rpartition("/")[2], "no right")
    desk.send("early", eta=datetime.fromtimestamp(time.time() + 1.5, UTC).isoformat())
    assert desk.nothing(link, 0.5)
    assert "fleet.delay" in (link.refusal or "")
    assert first_arguments(desk.receive(link, 1, within=30)) == ["early"]
    desk.close()


def test_the_documented_rights_are_enough(vhost: str) -> None:
    """docs/how-to/rabbitmq.md; the queue is called q there."""
    name = vhost.rpartition("/")[2]
    own = "q|q\\.dead|q\\.suspects|fleet\\.delay\\..*"
    rabbitmqctl("set_permissions", "-p", name, name, f"^({own})$", f"^({own}|amq\\.default)$", f"^({own})$")
    desk = Desk(Broker("amqp", vhost))
    desk.queue = QueueSpec("q", dead_letter="q.dead", arguments=FULL_AT_ONE)
    desk.dead = QueueSpec("q.dead")
    link = desk.link()
    desk.send("dead")
    link.dead_letter(*desk.receive(link), DEATH)
    desk.send("retried", delay=0.1)
    [delivery] = desk.receive(link)
    link.retry(delivery, delay_seconds=0.2, retries=1)
    [again] = desk.receive(link)
    link.requeue([again], counted=True)
    link.ack(desk.receive(link))
    assert link.refusal is None
    assert preflight(desk.spec, (desk.queue, desk.dead), connections=2, seconds=20).objections == ()
    graves = open_dead_letters(desk.spec)
    assert graves is not None
    [dead] = graves.take("q.dead", 10)
    assert graves.move([dead], [requeued(dead, "q", 1e9)], desk.queue) == 1
    graves.close()
    assert [each.ready for each in queue_stats(RoutingSpec(desk.spec, (desk.queue,), ()))] == [0]
    assert first_arguments(desk.receive(link)) == ["dead"]
    assert broker_alarm(desk.spec) is None
    desk.close()


def test_a_user_who_may_not_publish_keeps_the_connection_and_the_message(vhost: str) -> None:
    name = vhost.rpartition("/")[2]
    desk = Desk(Broker("amqp", vhost))
    link = desk.link(prefetch=5)
    desk.send("dead", "retried", "innocent", "back")
    dead, retried, innocent, back = desk.receive(link, 4)
    connection = link._line._opened  # type: ignore[attr-defined]
    rabbitmqctl("set_permissions", "-p", name, name, ".*", "^$", ".*")
    link.dead_letter(dead, DEATH)
    link.retry(retried, delay_seconds=0.0, retries=1)
    assert link.held == 2
    assert "amq.default" in (link.refusal or "")
    # By a channel of its own: one that has been allowed it before remembers that until it has been idle for a while.
    fresh = Desk(Broker("amqp", vhost))
    with pytest.raises(Refused, match=r"amq\.default"):
        fresh.send("not sent")
    fresh.close()
    link.requeue([back], counted=True)
    assert names(desk.receive(link)) == ["back"]
    link.ack([innocent])
    assert link._line._opened is connection, "nothing that runs is given out again"  # type: ignore[attr-defined]
    rabbitmqctl("set_permissions", "-p", name, name, ".*", ".*", ".*")
    seen: list[Delivery] = []

    def all_handed_on() -> bool:
        seen.extend(turn(desk, link))
        return not link.held and bool(seen)

    eventually(all_handed_on, within=60)
    assert names(seen) == ["retried"]
    assert ready(desk, desk.dead.name) == 1
    desk.close()
