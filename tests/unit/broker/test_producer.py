"""Threads that publish at once share what it costs, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from fleet.broker import producer as module
from fleet.broker.delivery import BrokerUnavailable, Posting, Refused
from fleet.broker.producer import Producer
from fleet.protocol import Encoded
from fleet.spec import BrokerSpec, QueueSpec
from tests.support import eventually

QUEUES = QueueSpec("a"), QueueSpec("b")


class Gated:
    """An outlet that publishes when it is let, and notes what at once."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.entered, self.let = threading.Semaphore(0), threading.Semaphore(0)
        self.refuses: dict[str, Exception] = {}

    def declare(self, queue: QueueSpec) -> None: ...

    def publish(self, postings: Sequence[Posting]) -> None:
        bodies = [posting.message.body.decode() for posting in postings]
        self.entered.release()
        assert self.let.acquire(timeout=10)
        for body in bodies:
            if body in self.refuses:
                raise self.refuses[body]
        self.batches.append(bodies)

    def close(self) -> None: ...


@pytest.fixture
def outlet(monkeypatch: pytest.MonkeyPatch) -> Gated:
    outlet = Gated()
    monkeypatch.setattr(module, "open_publisher", lambda _: outlet)
    return outlet


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(10) as threads:
        yield threads


class Senders:
    """Publishes each body from a thread of its own; all but the first wait for that."""

    def __init__(self, outlet: Gated, threads: ThreadPoolExecutor) -> None:
        self._outlet, self._threads = outlet, threads
        self._producer = Producer(BrokerSpec("sqlite:///never-opened"))

    def start(self, *bodies: str, queue: QueueSpec = QUEUES[0]) -> dict[str, Future[None]]:
        return {body: self._start(body, queue) for body in bodies}

    def _start(self, body: str, queue: QueueSpec) -> Future[None]:
        posting = Posting(queue.name, Encoded(body.encode(), {}, {}))
        wanted = self._count() + 1
        future = self._threads.submit(self._producer.publish, [posting], queue)
        if body == "first":
            assert self._outlet.entered.acquire(timeout=10)
        else:
            eventually(lambda: self._count() == wanted)
        return future

    def _count(self) -> int:
        return sum(map(len, self._producer._waiting.values()))


@pytest.fixture
def senders(outlet: Gated, threads: ThreadPoolExecutor) -> Senders:
    return Senders(outlet, threads)


def test_what_gathers_while_one_waits_goes_out_together(senders: Senders, outlet: Gated) -> None:
    sent = senders.start("first", "x", "y", "z")
    outlet.let.release(10)
    for future in sent.values():
        future.result(10)
    assert outlet.batches == [["first"], ["x", "y", "z"]]


def test_queues_are_not_mixed(senders: Senders, outlet: Gated) -> None:
    sent = senders.start("first", "x") | senders.start("other", queue=QUEUES[1])
    outlet.let.release(10)
    for future in sent.values():
        future.result(10)
    assert sorted(outlet.batches) == [["first"], ["other"], ["x"]]


@pytest.mark.parametrize("error", [BrokerUnavailable("full"), ValueError("too long")])
def test_one_that_is_refused_harms_no_other(senders: Senders, outlet: Gated, error: Exception) -> None:
    outlet.refuses["bad"] = error
    sent = senders.start("first", "x", "bad", "y")
    outlet.let.release(100)
    for body in ("first", "x", "y"):
        sent[body].result(10)
    with pytest.raises(type(error)):
        sent["bad"].result(10)
    assert sorted(body for batch in outlet.batches for body in batch) == ["first", "x", "y"]


def test_who_is_interrupted_leaves_the_others_to_themselves(senders: Senders, outlet: Gated) -> None:
    """As by a time limit, in the thread that was just publishing for all."""
    outlet.refuses["x"] = RuntimeError("time is over")
    sent = senders.start("first", "x", "y", "z")
    outlet.let.release()
    sent["first"].result(10)
    assert outlet.entered.acquire(timeout=10)
    outlet.let.release(100)
    results = {body: future.exception(10) for body, future in sent.items()}
    # Whoever led has the error, for it was "x" that raised: of the others each one's message is out.
    out = {body for batch in outlet.batches for body in batch}
    assert {body for body, error in results.items() if error is None} == out
    assert sum(error is not None for error in results.values()) == len(results) - len(out)


def test_what_the_broker_has_taken_of_a_batch_is_not_sent_again(senders: Senders, outlet: Gated) -> None:
    """It named those that it refused; all others are there already."""

    def publish(postings: Sequence[Posting]) -> None:
        Gated.publish(outlet, postings)
        if refused := [each for each in postings if each.message.body == b"bad"]:
            raise Refused("full", refused)

    outlet.publish = publish  # type: ignore[method-assign]
    sent = senders.start("first", "x", "bad", "y")
    outlet.let.release(100)
    for body in ("first", "x", "y"):
        sent[body].result(10)
    with pytest.raises(Refused) as caught:
        sent["bad"].result(10)
    assert [each.message.body for each in caught.value.postings] == [b"bad"]
    assert sorted(body for batch in outlet.batches for body in batch) == ["bad", "first", "x", "y"]
