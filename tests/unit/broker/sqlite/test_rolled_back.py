"""What a store remembers of a transaction that the disk refused: nothing. Numbers in it are given to others."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from fleet.broker.delivery import BrokerUnavailable, Posting
from fleet.broker.leased.lifetimes import Lifetime
from fleet.broker.sqlite.file import SqliteFile
from fleet.broker.sqlite.lifetimes import SqliteLifetimes
from fleet.broker.sqlite.store import SqliteStore
from fleet.protocol import Encoded

_LEASE = 30.0


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_store(tmp_path: Path, clock: Clock) -> Iterator[Callable[[str], SqliteStore]]:
    opened: list[SqliteStore] = []

    def open_one(owner: str) -> SqliteStore:
        opened.append(SqliteStore(tmp_path / "broker.db", owner=owner, lease_seconds=_LEASE, clock=clock))
        return opened[-1]

    yield open_one
    for store in opened:
        store.close()


@contextmanager
def full_disk() -> Iterator[None]:
    """Every transaction fails at its end, when all its work is done."""
    real = SqliteFile._transaction

    def refused(file: SqliteFile, work: Callable[[sqlite3.Connection], Any]) -> Any:
        def fail(db: sqlite3.Connection) -> None:
            work(db)
            error = sqlite3.OperationalError("database or disk is full")
            error.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise error

        return real(file, fail)

    with mock.patch.object(SqliteFile, "_transaction", refused):
        yield


def publish(store: SqliteStore, *bodies: str, queue: str = "q") -> None:
    store.publish([Posting(queue, Encoded(body.encode(), {"task": "t"}, {})) for body in bodies])


def bodies(store: SqliteStore, limit: int = 10) -> list[str]:
    return [claim.message.body.decode() for claim in store.reserve(["q"], limit)]


def reserve(store: SqliteStore) -> None:
    store.reserve(["q"], 1)


def use_a_queue(store: SqliteStore) -> None:
    SqliteLifetimes(store).use(["replies"])


@pytest.mark.parametrize("refused", [reserve, use_a_queue])
def test_the_lease_of_another_is_not_renewed(
    open_store: Callable[[str], SqliteStore], clock: Clock, refused: Callable[[SqliteStore], None]
) -> None:
    ours, other = open_store("ours"), open_store("other")
    SqliteLifetimes(other).declare("replies", Lifetime(temporary=True))
    publish(ours, "x")
    with full_disk(), pytest.raises(BrokerUnavailable, match="full"):
        refused(ours)
    assert bodies(other) == ["x"]
    clock.now += _LEASE * 0.9
    ours.renew()
    clock.now += _LEASE * 0.2
    assert bodies(ours) == ["x"], "the other is dead: its lease has run out"


@pytest.mark.parametrize("refused", [reserve, use_a_queue])
def test_what_another_holds_is_not_given_back(
    open_store: Callable[[str], SqliteStore], refused: Callable[[SqliteStore], None]
) -> None:
    ours, other, third = (open_store(name) for name in ("ours", "other", "third"))
    SqliteLifetimes(other).declare("replies", Lifetime(temporary=True))
    publish(ours, "x")
    with full_disk(), pytest.raises(BrokerUnavailable, match="full"):
        refused(ours)
    [claim] = other.reserve(["q"], 1)
    ours.close()
    assert bodies(third) == [], "it runs there"
    assert other.ack([claim.tag]) == 1


def test_a_claim_made_after_it_is_not_anothers(open_store: Callable[[str], SqliteStore]) -> None:
    ours, other = open_store("ours"), open_store("other")
    publish(ours, "x", "y")
    with full_disk(), pytest.raises(BrokerUnavailable, match="full"):
        reserve(ours)
    assert bodies(other, 1) == ["x"]
    assert bodies(ours, 1) == ["y"]
    assert ours.release_owner("other") == 1, "x, and not y"
    assert sorted(ours.owners()) == ["ours"]


def test_a_queue_is_known_once_it_is_written(open_store: Callable[[str], SqliteStore]) -> None:
    store = open_store("")
    with full_disk():
        with pytest.raises(BrokerUnavailable, match="full"):
            publish(store, "x", queue="first")
        with pytest.raises(BrokerUnavailable, match="full"):
            store.declare("second")
    publish(store, "x", queue="first")
    store.declare("second")
    assert store.queues() == ["first", "second"]
