"""The link to the broker with its outages, over a link that does as it is told."""

from __future__ import annotations

import time
from typing import cast

import pytest

from fleet.broker.delivery import BrokerUnavailable, Delivery
from fleet.broker.link import Link
from fleet.worker.log import Log
from fleet.worker.reactor import Reactor
from fleet.worker.uplink import Uplink


class Broken:
    """A Link whose broker can be away."""

    def __init__(self) -> None:
        self.away = False
        self.connects = 0
        self.prefetch: list[int] = []
        self.renewed = 0
        self.acked: list[list[Delivery]] = []
        self.waited: list[float] = []

    def ack(self, deliveries: list[Delivery]) -> None:
        self.acked.append(deliveries)

    def renew(self) -> None:
        self.renewed += 1

    def connect(self) -> None:
        self.connects += 1
        self._need()

    def wait(self, timeout: float, _wake_fd: int) -> list[object]:
        self.waited.append(timeout)
        self._need()
        return []

    def set_prefetch(self, prefetch: int) -> None:
        self.prefetch.append(prefetch)
        self._need()

    def _need(self) -> None:
        if self.away:
            raise BrokerUnavailable("away")


def make(link: Broken) -> Uplink:
    return Uplink(lambda: cast("Link", link), Reactor(), Log("g/0", "error"), lambda: 0.0)


def test_a_prefetch_set_before_there_is_a_link_reaches_it_first() -> None:
    link = Broken()
    uplink = make(link)
    uplink.set_prefetch(7)
    assert link.prefetch == []
    uplink.receive(0)
    assert (link.prefetch, link.connects) == ([7], 1)


def test_a_prefetch_set_during_an_outage_is_told_to_the_link_and_no_failure_to_connect() -> None:
    link = Broken()
    uplink = make(link)
    uplink.receive(0)
    link.away = True
    uplink.receive(0)
    assert not uplink.connected
    before = uplink._try_at
    uplink._try_at = 0.0
    uplink.set_prefetch(9)
    assert link.prefetch == [9]
    assert uplink._try_at == 0.0 < before


def test_a_connection_found_broken_by_a_new_prefetch_is_an_outage() -> None:
    link = Broken()
    uplink = make(link)
    uplink.receive(0)
    link.away = True
    uplink.set_prefetch(9)
    assert (uplink.connected, uplink.error) == (False, "away")


def test_leases_are_renewed_while_a_new_connection_is_being_made_but_not_for_ever() -> None:
    link = Broken()
    uplink = make(link)
    uplink.renew()
    assert link.renewed == 0, "there is no link yet"
    uplink.receive(0)
    link.away = True
    uplink.receive(0)
    uplink.renew()
    assert (uplink.connected, link.renewed) == (False, 1)
    uplink._lost_at -= 61
    uplink.renew()
    assert link.renewed == 1


def test_each_loss_and_each_new_connection_is_a_change_whoever_finds_it() -> None:
    link = Broken()
    uplink = make(link)
    uplink.receive(0)
    assert uplink.changes == 1
    link.away = True
    uplink.set_prefetch(9)
    uplink.receive(0)
    assert (uplink.connected, uplink.changes) == (False, 2)
    link.away, uplink._try_at = False, 0.0
    uplink.receive(0)
    assert (uplink.connected, uplink.changes) == (True, 3)


def test_acks_that_may_wait_go_out_together_and_none_late(monkeypatch: pytest.MonkeyPatch) -> None:
    link, first, second = Broken(), Delivery(1, "q", b""), Delivery(2, "q", b"")
    uplink = make(link)
    uplink.receive(0)
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    uplink.ack(first)
    uplink.flush(worth=3)
    now += 0.004
    uplink.ack(second)
    uplink.flush(worth=3)
    assert link.acked == []
    uplink.receive(5)
    assert link.waited[-1] == pytest.approx(0.001)
    now += 0.001
    uplink.flush(worth=3)
    assert link.acked == [[first, second]]
    uplink.receive(5)
    assert link.waited[-1] == 5


def test_acks_that_are_worth_it_go_out_at_once() -> None:
    link, first, second = Broken(), Delivery(1, "q", b""), Delivery(2, "q", b"")
    uplink = make(link)
    uplink.receive(0)
    uplink.ack(first)
    uplink.flush(worth=2)
    assert link.acked == []
    uplink.ack(second)
    uplink.flush(worth=2)
    assert link.acked == [[first, second]]


def test_a_flush_is_at_once() -> None:
    link, delivery = Broken(), Delivery(1, "q", b"")
    uplink = make(link)
    uplink.receive(0)
    uplink.ack(delivery)
    uplink.flush()
    uplink.flush()
    assert link.acked == [[delivery]]
