"""One message for each of many calls: few steps on the broker, and no call that the task could not take."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from fleet.broker import producer as producers
from fleet.broker.delivery import Posting
from fleet.spec import BrokerSpec, QueueSpec, RouteSpec, RoutingSpec
from fleet.tasks import sending
from fleet.tasks.routing import from_spec
from fleet.tasks.task import Task


class Publisher:
    """Keeps what is published; each step apart."""

    def __init__(self) -> None:
        self.steps: list[list[Posting]] = []

    def declare(self, queue: QueueSpec) -> None: ...

    def publish(self, postings: Sequence[Posting]) -> None:
        self.steps.append(list(postings))

    def close(self) -> None: ...

    @property
    def postings(self) -> list[Posting]:
        return [posting for step in self.steps for posting in step]


def _resize(path: str, *, width: int = 100) -> None: ...


resize = Task("shop.resize", _resize)


@pytest.fixture
def outlet(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    queues = (QueueSpec("images"), QueueSpec("urgent"))
    spec = RoutingSpec(BrokerSpec("memory://send-many"), queues, (RouteSpec(("*",), "images"),))
    outlet = Publisher()
    monkeypatch.setattr(sending, "routing", lambda: from_spec(spec, Path("fleet.toml")))
    monkeypatch.setattr(producers, "open_publisher", lambda broker: outlet)
    monkeypatch.setattr(producers, "_producer", None)
    yield outlet


def arguments(posting: Posting) -> tuple[list[Any], dict[str, Any]]:
    args, kwargs, _ = json.loads(posting.message.body)
    return args, kwargs


def test_a_call_is_a_tuple_or_a_dict(outlet: Publisher) -> None:
    ids = resize.send_many([("a.png",), ["b.png"], {"path": "c.png", "width": 320}])
    assert [arguments(posting) for posting in outlet.postings] == [
        (["a.png"], {}),
        (["b.png"], {}),
        ([], {"path": "c.png", "width": 320}),
    ]
    assert [posting.message.headers["id"] for posting in outlet.postings] == ids
    assert len(set(ids)) == 3


def test_a_thousand_messages_are_one_step_on_the_broker(outlet: Publisher) -> None:
    assert len(resize.send_many([("a.png",)] * 2001)) == 2001
    assert [len(step) for step in outlet.steps] == [1000, 1000, 1]


def test_a_generator_is_taken_a_batch_at_a_time(outlet: Publisher) -> None:
    published_when_asked_for: list[int] = []

    def calls() -> Iterator[tuple[str]]:
        for index in range(1500):
            published_when_asked_for.append(len(outlet.postings))
            yield (f"{index}.png",)

    resize.send_many(calls())
    assert (published_when_asked_for[999], published_when_asked_for[1000]) == (0, 1000)


def test_sending_no_calls_publishes_nothing(outlet: Publisher) -> None:
    assert resize.send_many([]) == []
    assert outlet.steps == []


def test_options_hold_for_every_message_that_is_sent_at_once(outlet: Publisher) -> None:
    resize.options(queue="urgent", priority=3, delay="10s").send_many([("a.png",), ("b.png",)])
    assert [posting.queue for posting in outlet.postings] == ["urgent", "urgent"]
    assert [posting.message.properties["priority"] for posting in outlet.postings] == [3, 3]
    assert [posting.delay_seconds for posting in outlet.postings] == [10.0, 10.0]


@pytest.mark.parametrize("call", ["a.png", b"a.png", 7, {"a.png"}])
def test_what_is_no_call_is_refused(outlet: Publisher, call: Any) -> None:
    with pytest.raises(TypeError, match=r"shop\.resize: a call is a tuple or a dict of arguments, not"):
        resize.send_many([call])
    assert outlet.steps == []


@pytest.mark.parametrize("call", [(), ("a.png", 320), {"path": "a.png", "height": 1}])
def test_arguments_that_the_task_cannot_take_are_refused(outlet: Publisher, call: Any) -> None:
    with pytest.raises(TypeError, match=r"shop\.resize: .*argument"):
        resize.send_many([("fine.png",), call])
    assert outlet.steps == []
