"""Of several queues: the order in which a worker gets their messages is the same on each broker."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from fleet.broker.link import Delivery, Link
from fleet.broker.open import open_publisher
from fleet.spec import QueueSpec
from tests.conftest import Broker
from tests.integration.broker.links import Desk
from tests.support import eventually

pytestmark = pytest.mark.broker

KINDS = ["classic", "quorum"]


@pytest.fixture
def desk(broker: Broker) -> Iterator[Desk]:
    desk = Desk(broker)
    yield desk
    desk.close()


@pytest.fixture(params=KINDS)
def queues(desk: Desk, broker: Broker, request: pytest.FixtureRequest) -> Iterator[list[QueueSpec]]:
    arguments: dict[str, Any] = {"x-queue-type": "quorum"} if request.param == "quorum" else {}
    if arguments and broker.name != "amqp":
        pytest.skip("one kind of queue")
    yield [QueueSpec(broker.queue(name), arguments=arguments) for name in "abc"]


def fill(desk: Desk, queue: QueueSpec, count: int) -> None:
    outlet = open_publisher(desk.spec)
    outlet.declare(queue)
    outlet.close()
    desk.send(*(f"{queue.name}-{number}" for number in range(count)), queue=queue)


def run(desk: Desk, link: Link, count: int, slots: int, seconds: float = 0.0) -> list[str]:
    """Queues, in the order in which messages were handed out; each is done when `slots` run and it is the oldest."""
    begun: list[str] = []
    running: list[Delivery] = []
    deadline = time.monotonic() + 60
    while len(begun) < count and time.monotonic() < deadline:
        got = link.wait(0.05, desk.wake_read)
        begun += [each.queue for each in got]
        running += got
        assert len(running) <= slots
        if len(running) == slots or not got:
            time.sleep(seconds)
            link.ack(running[:1])
            del running[:1]
    link.ack(running)
    assert len(begun) >= count, f"{len(begun)} of {count}"
    return begun[:count]


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("seconds", [0.0, 0.15], ids=["short", "long"])
def test_weighted_gives_each_queue_its_share(
    desk: Desk, queues: list[QueueSpec], slots: int, seconds: float
) -> None:
    a, b, c = queues
    count = 36 if seconds else 180
    for queue in queues:
        fill(desk, queue, count)
    link = desk.link(*queues, prefetch=slots)
    counts = Counter(run(desk, link, count, slots, seconds))
    for queue, weight in ((a, 3), (b, 2), (c, 1)):
        assert abs(counts[queue.name] - count * weight / 6) <= 2 * slots + 1, counts


@pytest.mark.parametrize("slots", [1, 4])
@pytest.mark.parametrize("seconds", [0.0, 0.15], ids=["short", "long"])
def test_strict_does_all_of_the_first_queue_first(
    desk: Desk, queues: list[QueueSpec], slots: int, seconds: float
) -> None:
    count = 10 if seconds else 60
    for queue in reversed(queues):
        fill(desk, queue, count)
    link = desk.link(*queues, prefetch=slots, queue_order="strict")
    assert run(desk, link, 3 * count, slots, seconds) == [
        queue.name for queue in queues for _ in range(count)
    ]


def test_strict_prefers_what_comes_later_to_what_waits(desk: Desk, queues: list[QueueSpec]) -> None:
    """`a` was empty while the worker worked on a long `c`."""
    a, _, c = queues
    fill(desk, c, 400)
    link = desk.link(*queues, prefetch=2, queue_order="strict")
    run(desk, link, 300, 2)  # until much is pushed
    fill(desk, a, 20)
    order = run(desk, link, 60, 2)
    first = order.index(a.name)
    assert order[first : first + 20] == [a.name] * 20
    assert first <= 20  # what is on its way, not what waits


def test_a_busy_worker_leaves_what_waits_to_others(desk: Desk, queues: list[QueueSpec]) -> None:
    link = desk.link(*queues, prefetch=2)
    for queue in queues:
        fill(desk, queue, 10)
    held = desk.receive(link, 2)
    assert desk.nothing(link, 1.0)
    other = desk.link(*queues, prefetch=100)
    rest = desk.receive(other, 28, within=20)
    other.ack(rest)
    link.ack(held)
    assert desk.nothing(link)


def test_a_worker_with_a_free_slot_takes_what_comes_to_any_queue(desk: Desk, queues: list[QueueSpec]) -> None:
    link = desk.link(*queues, prefetch=3)
    for queue in [*reversed(queues), *queues]:
        fill(desk, queue, 1)
        [delivery] = desk.receive(link)
        assert delivery.queue == queue.name
        link.ack([delivery])
    # Also while something runs that came from the same queue.
    running = []
    for _ in range(3):
        fill(desk, queues[2], 1)
        running += desk.receive(link)
    link.ack(running)


def test_a_queue_that_is_skipped_is_left_to_others(desk: Desk, queues: list[QueueSpec]) -> None:
    a, b, c = queues
    for queue in queues:
        fill(desk, queue, 20)
    link = desk.link(*queues, prefetch=2)
    run(desk, link, 6, 2)
    link.skip({a.name, b.name})
    left = link.wait(0.2, desk.wake_read)
    link.requeue([each for each in left if each.queue != c.name], counted=False)
    link.ack([each for each in left if each.queue == c.name])
    seen = run(desk, link, 10, 2)
    assert set(seen) == {c.name}
    link.skip(set())
    assert {a.name, b.name} <= set(run(desk, link, 20, 2))


def test_a_paused_worker_holds_nothing(desk: Desk, queues: list[QueueSpec]) -> None:
    for queue in queues:
        fill(desk, queue, 100)
    link = desk.link(*queues, prefetch=2)
    run(desk, link, 120, 2)
    link.pause()
    other = desk.link(*queues, prefetch=500)
    taken: list[Delivery] = []

    def all_there() -> bool:
        left = link.wait(0, desk.wake_read)
        link.requeue(left, counted=False)
        taken.extend(other.wait(0.1, desk.wake_read))
        return len(taken) >= 180 - 1

    eventually(all_there, within=20, message="what waits")
    link.resume()
    other.pause()  # else it gets them again
    other.requeue(taken, counted=False)
    run(desk, link, 20, 2)
