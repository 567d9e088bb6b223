"""The link to the broker with its outages, over a link that does as it is told."""

from __future__ import annotations

from typing import cast

import pytest

import fleet.clock
from fleet.broker.delivery import BrokerUnavailable, Delivery
from fleet.broker.link import Link
from fleet.worker.connection import BrokerConnection
from fleet.worker.log import Log
from fleet.worker.reactor import Reactor


class Broken:
    """A Link whose broker can be away."""

    refusal, held = None, 0

    def __init__(self) -> None:
        self.away = False
        self.connects = 0
        self.closed = 0
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

    def close(self) -> None:
        self.closed += 1

    def _need(self) -> None:
        if self.away:
            raise BrokerUnavailable("away")


def make(link: Broken) -> BrokerConnection:
    return BrokerConnection(lambda: cast("Link", link), Reactor(), Log("g/0", "error"), lambda: 0.0)


def test_a_prefetch_set_before_there_is_a_link_reaches_it_first() -> None:
    link = Broken()
    connection = make(link)
    connection.set_prefetch(7)
    assert link.prefetch == []
    connection.receive(0)
    assert (link.prefetch, link.connects) == ([7], 1)


def test_a_prefetch_set_during_an_outage_is_told_to_the_link_and_no_failure_to_connect() -> None:
    link = Broken()
    connection = make(link)
    connection.receive(0)
    link.away = True
    connection.receive(0)
    assert not connection.connected
    before = connection._try_at
    connection._try_at = 0.0
    connection.set_prefetch(9)
    assert link.prefetch == [9]
    assert connection._try_at == 0.0 < before


def test_a_connection_found_broken_by_a_new_prefetch_is_an_outage() -> None:
    link = Broken()
    connection = make(link)
    connection.receive(0)
    link.away = True
    connection.set_prefetch(9)
    assert (connection.connected, connection.error) == (False, "away")


def test_leases_are_renewed_while_a_new_connection_is_being_made_but_not_for_ever() -> None:
    link = Broken()
    connection = make(link)
    connection.renew()
    assert link.renewed == 0, "there is no link yet"
    connection.receive(0)
    link.away = True
    connection.receive(0)
    connection.renew()
    assert (connection.connected, link.renewed) == (False, 1)
    connection._lost_at -= 61
    connection.renew()
    assert link.renewed == 1


def test_each_loss_and_each_new_connection_is_a_change_whoever_finds_it() -> None:
    link = Broken()
    connection = make(link)
    connection.receive(0)
    assert connection.changes == 1
    link.away = True
    connection.set_prefetch(9)
    connection.receive(0)
    assert (connection.connected, connection.changes) == (False, 2)
    link.away, connection._try_at = False, 0.0
    connection.receive(0)
    assert (connection.connected, connection.changes) == (True, 3)


def test_acks_that_may_wait_go_out_together_and_none_late(monkeypatch: pytest.MonkeyPatch) -> None:
    link, first, second = Broken(), Delivery(1, "q", b""), Delivery(2, "q", b"")
    connection = make(link)
    connection.receive(0)
    now = 100.0
    monkeypatch.setattr(fleet.clock.time, "monotonic", lambda: now)
    connection.ack(first)
    connection.flush(worth=3)
    now += 0.004
    connection.ack(second)
    connection.flush(worth=3)
    assert link.acked == []
    connection.receive(5)
    assert link.waited[-1] == pytest.approx(0.001)
    now += 0.001
    connection.flush(worth=3)
    assert link.acked == [[first, second]]
    connection.receive(5)
    assert link.waited[-1] == 5


def test_acks_that_are_worth_it_go_out_at_once() -> None:
    link, first, second = Broken(), Delivery(1, "q", b""), Delivery(2, "q", b"")
    connection = make(link)
    connection.receive(0)
    connection.ack(first)
    connection.flush(worth=2)
    assert link.acked == []
    connection.ack(second)
    connection.flush(worth=2)
    assert link.acked == [[first, second]]


def test_a_flush_is_at_once() -> None:
    link, delivery = Broken(), Delivery(1, "q", b"")
    connection = make(link)
    connection.receive(0)
    connection.ack(delivery)
    connection.flush()
    connection.flush()
    assert link.acked == [[delivery]]


def test_a_connection_of_which_nothing_can_be_had_is_tried_less_and_less_often() -> None:
    class Useless(Broken):
        def wait(self, timeout: float, wake_fd: int) -> list[Delivery]:
            raise BrokerUnavailable("may not run EVALSHA")

    connection = make(Useless())
    for _ in range(4):
        connection._try_at = 0.0
        connection.receive(0)  # connects
        connection.receive(0)  # and finds that this was no use
    assert connection._tries == 4


def test_starting_over_makes_another_link_with_what_it_may_hold_and_connects_at_once() -> None:
    links: list[Broken] = []

    def make_link() -> Link:
        links.append(Broken())
        return cast("Link", links[-1])

    connection = BrokerConnection(make_link, Reactor(), Log("g/0", "error"), lambda: 0.0)
    connection.set_prefetch(3)
    connection.receive(0)
    changes = connection.changes
    connection.start_over(5)
    assert (links[0].closed, connection.connected, connection.changes) == (1, False, changes + 1)
    connection.receive(0)
    assert connection.connected
    assert [link.prefetch for link in links] == [[3], [5]]
