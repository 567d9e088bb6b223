"""A message that goes round again keeps what is its own and loses what the way added."""

from __future__ import annotations

import pytest

from fleet.broker.delivery import Death, Delivery
from fleet.broker.reposting import dead_letter, deferred, retried, seconds_until_due
from fleet.protocol import Call, encode


def arrived(**headers: object) -> Delivery:
    message = encode(Call("1", "t", (1,)))
    transit = {"x-death": [{"queue": "fleet.delay.10"}], "x-delivery-count": 3, "x-mine": "kept"}
    properties = {"correlation_id": "1", "priority": 5, "delivery_tag": 9, "expiration": "10"}
    return Delivery(1, "q", message.body, {**message.headers, **transit, **headers}, properties)


def test_a_retry_is_the_same_call_later() -> None:
    posting = retried(arrived(), 30.0, retries=2, now=1_000_000.0)
    assert (posting.queue, posting.delay_seconds, posting.exchange) == ("q", 30.0, "")
    assert posting.message.headers["retries"] == 2
    assert posting.message.headers["eta"] == "1970-01-12T13:47:10+00:00"
    assert posting.message.body == arrived().body


def test_a_retry_at_once_has_no_eta() -> None:
    assert retried(arrived(eta="2020-01-01T00:00:00Z"), 0, retries=1, now=0).message.headers["eta"] is None


def test_transit_headers_and_properties_stay_behind() -> None:
    message = deferred(arrived(), 1.0).message
    assert not {"x-death", "x-delivery-count"} & message.headers.keys()
    assert message.headers["x-mine"] == "kept"
    # An expiration would end the wait in a delay queue early.
    assert message.properties == {"correlation_id": "1", "priority": 5, "delivery_mode": 2}


def test_an_dead_letter_says_why_where_and_how_often() -> None:
    delivery = arrived()
    delivery.attempt = 4
    posting = dead_letter(delivery, Death("boom", "http/0", 7.0, "T" * 20_000 + "end", 9), "q.dead")
    death = posting.message.headers["x-fleet-death"]
    assert posting.queue == "q.dead"
    assert (death["reason"], death["worker"], death["queue"], death["attempt"]) == ("boom", "http/0", "q", 4)
    assert death["traceback"].endswith("end")
    assert len(death["traceback"]) == 16_384


@pytest.mark.parametrize(
    ("eta", "seconds"),
    [
        (None, 0),
        ("1970-01-01T00:01:40+00:00", 90),
        ("1970-01-01T00:01:40", 90),
        ("1970-01-01T00:00:10.010000+00:00", 0),  # as good as due
        ("1970-01-01T00:00:01Z", 0),
        ("soon", 0),
        (17, 0),
    ],
)
def test_how_long_an_eta_says_to_wait(eta: object, seconds: float) -> None:
    assert seconds_until_due(arrived(eta=eta), now=10.0) == pytest.approx(seconds)
