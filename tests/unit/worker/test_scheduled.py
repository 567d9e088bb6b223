"""A run of a schedule tells its scheduler how it ended; no other message tells anybody anything."""

from __future__ import annotations

import json

import pytest

from fleet.broker.delivery import Delivery
from fleet.broker.notes import orders_queue
from fleet.schedules.orders import HEADER, Origin
from fleet.worker.scheduled import told

ORIGIN = Origin("nightly", 1000, orders_queue("shop"))


def delivery(header: object) -> Delivery:
    return Delivery(None, "q", b"", {"id": "7", HEADER: header})


def test_a_run_that_ended_tells_its_scheduler_in_milliseconds() -> None:
    posting = told(delivery(ORIGIN.written()), "succeeded", at=2.0, seconds=0.25)
    assert posting is not None
    assert posting.queue == orders_queue("shop")
    said = json.loads(posting.message.body)
    assert (said["do"], said["name"], said["id"], said["moment"]) == ("ended", "nightly", "7", 1000)
    assert (said["outcome"], said["at"], said["seconds"]) == ("succeeded", 2000, 0.25)


@pytest.mark.parametrize("header", ["no json", "{}", Origin("nightly", 1, "somebody else's").written(), None])
def test_a_header_that_no_scheduler_has_written_tells_nobody(header: object) -> None:
    assert told(delivery(header), "succeeded", at=2.0) is None


def test_a_message_that_no_scheduler_has_sent_tells_nobody() -> None:
    assert told(Delivery(None, "q", b"", {}), "succeeded", at=2.0) is None


def test_a_run_that_is_retried_has_not_ended() -> None:
    assert told(delivery(ORIGIN.written()), "retried", at=2.0) is None
