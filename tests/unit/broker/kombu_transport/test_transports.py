"""The small parts of our kombu transports that need no broker."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from typing import Any

import pytest

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.kombu_transport.lease_keeper import LeaseKeeper
from fleet.broker.kombu_transport.messages import expiration, to_encoded, to_payload
from fleet.broker.kombu_transport.qos import to_tags, to_text
from fleet.broker.kombu_transport.queue_cycle import QueueCycle
from fleet.broker.kombu_transport.wakeup import Wakeup
from fleet.broker.leased.lifetimes import Lifetime, milliseconds
from fleet.broker.leased.locked import Locked
from fleet.broker.leased.store import Claim
from fleet.broker.redis.lifetimes import _from_text, _to_text
from fleet.broker.waiting import wait_readable
from fleet.protocol import Encoded
from tests.support import ROOT, eventually

# --- the order of queues --------------------------------------------------------------------------------


def test_round_robin_begins_with_each_queue_in_turn() -> None:
    order = QueueCycle("round_robin")
    assert [order.of(["a", "b", "c"])[0] for _ in range(6)] == ["b", "c", "a", "b", "c", "a"]
    assert sorted(order.of(["a", "b", "c"])) == ["a", "b", "c"]


def test_every_order_has_each_queue_once() -> None:
    for strategy in ("round_robin", "sorted", "priority"):
        assert sorted(QueueCycle(strategy).of(["b", "a", "b"])) == ["a", "b"]
        assert QueueCycle(strategy).of([]) == []
    assert QueueCycle("priority").of(["b", "a"]) == ["b", "a"]
    assert QueueCycle("sorted").of(["b", "a"]) == ["a", "b"]


# --- lifetimes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "expected"),
    [(5, 5), ("5", 5), (0, 0), (-1, None), ("x", None), (None, None), ([], None), (float("inf"), None)],
)
def test_a_time_of_amqp_in_milliseconds(value: Any, expected: int | None) -> None:
    assert milliseconds(value) == expected


def test_a_lifetime_as_a_queue_declares_it() -> None:
    assert not Lifetime.declared(arguments={"x-max-length": 5}).ends
    assert Lifetime.declared(auto_delete=True) == Lifetime.declared(exclusive=True) == Lifetime(True)
    declared = Lifetime.declared(arguments={"x-expires": 10_000, "x-message-ttl": 5})
    assert declared == Lifetime(False, 10_000, 5)
    assert declared.ends


@pytest.mark.parametrize(
    "lifetime", [Lifetime(), Lifetime(True), Lifetime(False, 0, None), Lifetime(True, 1, 2)]
)
def test_a_lifetime_in_redis_is_read_as_it_was_written(lifetime: Lifetime) -> None:
    assert _from_text(_to_text(lifetime).encode()) == lifetime


def test_a_lifetime_that_somebody_else_wrote_is_none() -> None:
    assert _from_text(b"rubbish") == Lifetime()


# --- tags and messages ----------------------------------------------------------------------------------


@pytest.mark.parametrize("tag", [("q:x", "12:0"), (1, None, 0), (7, 3, 12)])
def test_a_tag_survives_being_text(tag: tuple[Any, ...]) -> None:
    assert to_tags([to_text(tag)]) == [tag]


def test_what_is_no_tag_is_left_out() -> None:
    assert to_tags([None, "", "x", 3, "{"]) == []


def test_a_message_goes_there_and_back() -> None:
    sent = {
        "body": "text",
        "headers": {"a": 1},
        "content-type": "t",
        "content-encoding": "utf-8",
        "properties": {"priority": 3, "delivery_info": {"exchange": "e", "routing_key": "k"}},
    }
    encoded = to_encoded(sent, lambda priority: priority)
    payload = to_payload(Claim(("q", "1:0"), "q", encoded, 1), lambda priority: priority)
    assert payload["body"] == b"text"
    assert payload["headers"] == {"a": 1}
    assert payload["properties"]["delivery_info"] == {
        "exchange": "e",
        "routing_key": "k",
        "redelivered": False,
    }


@pytest.mark.parametrize("odd", [None, [], "x", 5])
def test_an_odd_message_becomes_a_payload_all_the_same(odd: Any) -> None:
    message = Encoded(b"x", odd, {"delivery_info": odd}, "", "")
    payload = to_payload(Claim((1, 1, 1), "q", message, 2), lambda priority: priority)
    assert payload["headers"] == {"redelivered": True}
    assert payload["properties"]["delivery_info"]["routing_key"] == "q"


@pytest.mark.parametrize(
    ("properties", "expected"),
    [({"expiration": "500"}, 500), ({}, None), ({"expiration": []}, None), (None, None), ("x", None)],
)
def test_a_message_of_any_expiration_is_published(properties: Any, expected: int | None) -> None:
    assert expiration(Encoded(b"", {}, properties, "", "")) == expected


# --- threads --------------------------------------------------------------------------------------------


class Counting:
    """Notes how many threads are in it at once."""

    def __init__(self) -> None:
        self.now = self.most = 0
        self.closed = 0
        self.renewed = False

    def work(self) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        threading.Event().wait(0.001)
        self.now -= 1

    def renew(self) -> None:
        self.renewed = True

    def close(self) -> None:
        self.closed += 1


def test_a_locked_connection_does_one_thing_at_a_time() -> None:
    target = Counting()
    locked = Locked(target, threading.RLock())
    threads = [threading.Thread(target=lambda: [locked.work() for _ in range(20)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert target.most == 1


def test_a_locked_connection_is_renewed_without_a_turn() -> None:
    target, lock = Counting(), threading.RLock()
    locked = Locked(target, lock)
    with lock:
        thread = threading.Thread(target=locked.renew)
        thread.start()
        thread.join(10)
    assert target.renewed


def test_a_closed_connection_refuses_and_is_closed_once() -> None:
    target = Counting()
    locked = Locked(target, threading.RLock())
    locked.work()
    locked.close()
    locked.close()
    assert target.closed == 1
    with pytest.raises(BrokerUnavailable):
        locked.work()


def test_a_wakeup_is_readable_from_set_to_clear() -> None:
    wakeup = Wakeup()
    assert not wait_readable([wakeup.fileno()], 0)
    threading.Thread(target=wakeup.set).start()
    assert wait_readable([wakeup.fileno()], 10)
    wakeup.set()
    wakeup.clear()
    assert not wakeup.is_set
    assert not wait_readable([wakeup.fileno()], 0)
    wakeup.close()


def test_a_closed_wakeup_writes_to_nobody() -> None:
    wakeup = Wakeup()
    wakeup.close()
    reading, writing = os.pipe()  # gets the numbers that are free now
    try:
        wakeup.set()
        assert not wait_readable([reading], 0)
    finally:
        os.close(reading)
        os.close(writing)


# --- what users import ----------------------------------------------------------------------------------


def test_import_fleet_kombu_is_all_that_a_client_does() -> None:
    code = (
        "import fleet.kombu, kombu, sys\n"
        "for url in ('fleet-redis://', 'fleet-rediss://', 'fleet-sentinel://', 'sqlite:///x.db'):\n"
        "    print(kombu.Connection(url).transport_cls)\n"
        "assert 'pydantic' not in sys.modules and 'fleet.config' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["fleet-redis", "fleet-rediss", "fleet-sentinel", "sqlite"]


class Kept:
    """What a lease keeper keeps."""

    lease_seconds = 0.03

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.times: list[float] = []

    def keep(self) -> None:
        self.times.append(time.monotonic())
        if self.errors:
            raise self.errors.pop()


def test_the_lease_keeper_goes_on_after_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    kept = Kept(BrokerUnavailable("away"), RuntimeError("odd"))
    keeper = LeaseKeeper(kept)
    eventually(lambda: len(kept.times) > 3)
    keeper.stop()
    assert "away" in caplog.text
    assert "odd" in caplog.text


def test_the_lease_keeper_ends_when_nobody_has_what_it_keeps() -> None:
    kept = Kept()
    times = kept.times
    keeper = LeaseKeeper(kept)
    eventually(lambda: len(times) > 1)
    del kept
    eventually(lambda: not keeper._thread.is_alive())
    keeper.stop()
