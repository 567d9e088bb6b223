"""Deliveries that were put off, to be looked at."""

from __future__ import annotations

import pytest

from fleet.broker import put_off
from fleet.broker.delivery import Delivery
from fleet.broker.put_off import PutOff


def delivery(ident: str, body: bytes = b"x") -> Delivery:
    return Delivery(1, "q", body, headers={"id": ident})


def shown(these: PutOff, now: float, limit: int = 10) -> list[str]:
    return [each.headers["id"] for each in these.look(limit, now)]


def test_what_waits_is_shown_by_its_time_and_no_longer_than_that() -> None:
    these = PutOff()
    these.add(delivery("later"), due=20.0, now=0.0)
    these.add(delivery("sooner"), due=10.0, now=0.0)
    assert shown(these, 5.0) == ["sooner", "later"]
    assert shown(these, 5.0, limit=1) == ["sooner"]
    assert shown(these, 10.0) == ["later"]
    assert shown(these, 20.0) == []


def test_a_message_that_is_put_off_again_is_shown_once() -> None:
    these = PutOff()
    these.add(delivery("long"), due=10.0, now=0.0)
    these.add(delivery("long"), due=15.0, now=9.0)
    assert shown(these, 9.0) == ["long"]
    assert shown(these, 12.0) == ["long"]


def test_no_more_are_kept_than_fit_and_room_comes_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(put_off, "MOST_BYTES", 10)
    these = PutOff()
    these.add(delivery("a", b"12345"), due=10.0, now=0.0)
    these.add(delivery("b", b"12345"), due=20.0, now=0.0)
    these.add(delivery("c", b"12345"), due=30.0, now=0.0)
    assert shown(these, 1.0) == ["a", "b"]
    these.add(delivery("c", b"12345"), due=30.0, now=11.0)
    assert shown(these, 11.0) == ["b", "c"]
