"""`asend`, `asend_many`: the event loop goes on, what many send at once goes out together, each hears of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

import fleet
from fleet import Unroutable, task
from fleet.broker.delivery import Posting, Refused
from fleet.broker.producer import Producer
from fleet.spec import BrokerSpec, QueueSpec
from fleet.tasks import registry, routing, sending

SLOW_SECONDS = 0.2


class SlowPublisher:
    """A broker that takes its time, and refuses what says so."""

    batches: list[list[Posting]]

    def __init__(self) -> None:
        self.batches = []

    def declare(self, _queue: QueueSpec) -> None:
        pass

    def publish(self, postings: Sequence[Posting]) -> None:
        time.sleep(SLOW_SECONDS)
        refused = [each for each in postings if b"refuse" in each.message.body]
        self.batches.append([each for each in postings if each not in refused])
        if refused:
            raise Refused("full", refused)

    def close(self) -> None:
        pass


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[SlowPublisher]:
    publisher = SlowPublisher()
    producer = Producer(BrokerSpec("memory://"))
    monkeypatch.setattr("fleet.broker.producer.open_publisher", lambda _broker: publisher)
    monkeypatch.setattr(sending, "producer", lambda _broker: producer)
    monkeypatch.delenv("FLEET_ROUTING", raising=False)
    file = tmp_path / "fleet.toml"
    file.write_text('[fleet]\napp = "x"\n[queues.q]\n[[routes]]\ntask = "sent.*"\nqueue = "q"\n')
    fleet.configure(str(file))
    known = dict(registry)
    yield publisher
    registry.clear()
    registry.update(known)
    routing.use_file(tmp_path / "none", None)


def sent(publisher: SlowPublisher) -> list[str]:
    return [each.message.headers["id"] for batch in publisher.batches for each in batch]


def test_the_event_loop_goes_on_while_the_broker_takes_its_time(publisher: SlowPublisher) -> None:
    @task(name="sent.one")
    async def one(_number: int) -> None: ...

    async def main() -> tuple[str, int]:
        turns = 0
        sending = asyncio.create_task(one.asend(1))
        while not sending.done():
            await asyncio.sleep(0.005)
            turns += 1
        return await sending, turns

    ident, turns = asyncio.run(main())
    assert sent(publisher) == [ident]
    assert turns > 5


def test_what_many_send_at_once_goes_out_together(publisher: SlowPublisher) -> None:
    @task(name="sent.many")
    def many(_number: int) -> None: ...

    async def main() -> list[str]:
        await many.asend(0)  # so that all is loaded
        return await asyncio.gather(*(many.asend(number) for number in range(1, 500)))

    idents = asyncio.run(main())
    assert sorted(sent(publisher)[1:]) == sorted(idents)
    assert len(publisher.batches) <= 6


def test_each_hears_of_its_own_failure(publisher: SlowPublisher) -> None:
    @task(name="sent.word")
    def word(_word: str) -> None: ...

    @task(name="lost.word")
    def lost(_word: str) -> None: ...

    async def main() -> list[Any]:
        calls = [word.asend("a"), word.asend("refuse"), lost.asend("b"), word.asend("c")]
        return await asyncio.gather(*calls, return_exceptions=True)

    first, refused, unroutable, last = asyncio.run(main())
    assert sent(publisher) == [first, last]
    assert isinstance(refused, Refused)
    assert isinstance(unroutable, Unroutable)


def test_wrong_arguments_are_told_at_once(publisher: SlowPublisher) -> None:
    @task(name="sent.strict")
    def strict(_number: int) -> None: ...

    with pytest.raises(TypeError, match=r"sent\.strict"):
        asyncio.run(strict.asend())  # type: ignore[call-arg]
    assert publisher.batches == []


def test_calls_of_an_async_generator(publisher: SlowPublisher) -> None:
    @task(name="sent.stream")
    def stream(_number: int, *, more: str = "") -> None: ...

    asked_in: set[int] = set()

    async def calls() -> AsyncIterator[Any]:
        for number in range(1500):
            asked_in.add(threading.get_ident())
            yield (number,) if number % 2 else {"_number": number, "more": "x"}

    idents = asyncio.run(stream.asend_many(calls()))
    assert sent(publisher) == idents
    assert len(idents) == 1500
    assert asked_in == {threading.get_ident()}


def test_from_a_loop_after_another(publisher: SlowPublisher) -> None:
    """Each `asyncio.run` has a loop of its own; the thread that sends is one."""

    @task(name="sent.again")
    def again() -> None: ...

    idents = [asyncio.run(again.options(priority=3).asend()) for _ in range(2)]
    assert sent(publisher) == idents
