"""The record of a dead letter: fleet's own, RabbitMQ's, and what is left when nobody has written one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.broker.dead_letter_record import read
from fleet.broker.delivery import Death, Delivery
from fleet.broker.reposting import DEATH_HEADER, dead_letter
from fleet.protocol import Call, encode
from fleet.spec import QueueSpec

QUEUES = [QueueSpec("images", dead_letter="images.dead"), QueueSpec("mails", dead_letter="mails.dead")]


def dead(headers: dict[str, Any], queue: str = "images.dead", body: bytes = b"[]", **more: Any) -> Delivery:
    return Delivery(1, queue, body, headers, **more)


def test_a_record_tells_what_the_worker_wrote_when_the_message_died() -> None:
    message = encode(Call("m1", "shop.resize", (3,), {"width": 4}, retries=2))
    before = Delivery(1, "images", message.body, dict(message.headers), dict(message.properties), attempt=2)
    death = Death("ValueError: no", "http/0", 1_700_000_000.0, "Traceback …", 9)
    posting = dead_letter(before, death, "images.dead")
    record = read(
        dead(posting.message.headers, body=posting.message.body, properties=message.properties), QUEUES
    )
    assert (record.id, record.task, record.args, record.kwargs) == ("m1", "shop.resize", [3], {"width": 4})
    assert (record.queue, record.dead_letter, record.reason) == ("images", "images.dead", "ValueError: no")
    assert (record.worker, record.at, record.attempt, record.retries) == ("http/0", 1_700_000_000.0, 2, 2)
    assert (record.exit_signal, record.traceback) == (9, "Traceback …")


def test_a_record_of_what_the_broker_gave_up_has_its_latest_reason() -> None:
    at = datetime(2026, 1, 1, tzinfo=UTC)
    deaths = [{"queue": "mails", "reason": "expired", "time": at}, {"queue": "images", "reason": "maxlen"}]
    record = read(dead({"x-death": deaths}, "elsewhere"), QUEUES)
    assert (record.queue, record.reason, record.at) == ("mails", "the broker: expired", at.timestamp())


@pytest.mark.parametrize(("dead_letter_queue", "queue"), [("images.dead", "images"), ("unknown.dead", None)])
def test_a_record_without_a_word_belongs_to_the_only_queue_that_dies_there(
    dead_letter_queue: str, queue: str | None
) -> None:
    record = read(dead({}, dead_letter_queue), QUEUES)
    assert (record.queue, record.reason) == (queue, "unknown")


def test_a_record_belongs_nowhere_where_two_queues_die_in_one() -> None:
    shared = [QueueSpec("a", dead_letter="dead"), QueueSpec("b", dead_letter="dead")]
    assert read(dead({}, "dead"), shared).queue is None


def test_a_malformed_body_leaves_the_record_without_arguments() -> None:
    record = read(dead({"task": "shop.x", "id": "1"}, body=b"\xff"), QUEUES)
    assert (record.task, record.args, record.kwargs) == ("shop.x", None, None)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = ("queue", "reason", "worker", "at", "attempt", "exit_signal", "traceback")


@given(
    death=ANYTHING | st.fixed_dictionaries(dict.fromkeys(FIELDS, ANYTHING)),
    others=st.fixed_dictionaries(dict.fromkeys(("id", "task", "retries", "x-death"), ANYTHING)),
)
def test_whatever_a_message_says_of_its_death_a_record_of_it_can_be_read(
    death: Any, others: dict[str, Any]
) -> None:
    record = read(dead({DEATH_HEADER: death, **others}), QUEUES)
    assert isinstance(record.id, str)
    assert isinstance(record.reason, str)
    assert record.reason
    assert record.at is None or 0 <= record.at < 2**37
