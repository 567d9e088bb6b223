"""Permits: each is the process's or the worker's, never both's and never nobody's."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from fleet.worker.pools.ledger import Entry, Ledger, Permits


@pytest.fixture
def ledger() -> Iterator[Ledger]:
    ledger = Ledger()
    yield ledger
    ledger.close()


def test_permits_are_read_in_their_order(ledger: Ledger) -> None:
    permits = Permits(ledger.theirs)
    ledger.permit([7, 8])
    ledger.permit([9])
    assert [permits.take_now(), permits.take(), permits.take_now()] == [7, 8, 9]
    assert permits.take_now() is None


def test_what_has_been_taken_back_is_not_read(ledger: Ledger) -> None:
    permits = Permits(ledger.theirs)
    ledger.permit([1, 2, 3])
    assert permits.take() == 1
    assert ledger.take_back() == [2, 3]
    assert permits.take_now() is None
    assert ledger.take_back() == []


def test_at_the_end_what_was_permitted_is_still_read(ledger: Ledger) -> None:
    permits = Permits(ledger.theirs)
    ledger.permit([1])
    ledger.end()
    assert permits.take() == 1
    with pytest.raises(EOFError):
        permits.take_now()
    with pytest.raises(EOFError):
        permits.take()


def test_entries_wait_for_whoever_asks(ledger: Ledger) -> None:
    permits = Permits(ledger.theirs)
    entries = [Entry(serial, 1.5, 0.25, 0.125) for serial in range(100)]
    assert list(ledger.entries()) == []
    for entry in entries:
        permits.enter(entry)
    assert list(ledger.entries()) == entries
    assert list(ledger.entries()) == []


def test_each_permit_goes_to_one_of_two_who_read_at_once(ledger: Ledger) -> None:
    permits = Permits(ledger.theirs)
    begun: list[int] = []
    taken_back: list[int] = []

    def process() -> None:
        try:
            while True:
                begun.append(permits.take())
        except EOFError:
            pass

    thread = threading.Thread(target=process)
    thread.start()
    for start in range(0, 20_000, 20):
        ledger.permit(range(start, start + 20))
        taken_back += ledger.take_back()
    ledger.end()
    thread.join()
    assert sorted(begun + taken_back) == list(range(20_000))
    assert begun == sorted(begun)
    assert begun
    assert taken_back
