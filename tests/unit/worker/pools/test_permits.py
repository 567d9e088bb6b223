"""Permits: each is the process's or the worker's, never both's and never nobody's."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from fleet.worker.pools.permits import Entry, Permits, PermitTable


@pytest.fixture
def table() -> Iterator[PermitTable]:
    table = PermitTable()
    yield table
    table.close()


def test_permits_are_read_in_their_order(table: PermitTable) -> None:
    permits = Permits(table.theirs)
    table.permit([7, 8])
    table.permit([9])
    assert [permits.take_now(), permits.take(), permits.take_now()] == [7, 8, 9]
    assert permits.take_now() is None


def test_what_has_been_taken_back_is_not_read(table: PermitTable) -> None:
    permits = Permits(table.theirs)
    table.permit([1, 2, 3])
    assert permits.take() == 1
    assert table.take_back() == [2, 3]
    assert permits.take_now() is None
    assert table.take_back() == []


def test_at_the_end_what_was_permitted_is_still_read(table: PermitTable) -> None:
    permits = Permits(table.theirs)
    table.permit([1])
    table.end()
    assert permits.take() == 1
    with pytest.raises(EOFError):
        permits.take_now()
    with pytest.raises(EOFError):
        permits.take()


def test_entries_wait_for_whoever_asks(table: PermitTable) -> None:
    permits = Permits(table.theirs)
    entries = [Entry(serial, 1.5, 0.25, 0.125) for serial in range(100)]
    assert list(table.entries()) == []
    for entry in entries:
        permits.enter(entry)
    assert list(table.entries()) == entries
    assert list(table.entries()) == []


def test_each_permit_goes_to_one_of_two_who_read_at_once(table: PermitTable) -> None:
    permits = Permits(table.theirs)
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
        table.permit(range(start, start + 20))
        taken_back += table.take_back()
    table.end()
    thread.join()
    assert sorted(begun + taken_back) == list(range(20_000))
    assert begun == sorted(begun)
    assert begun
    assert taken_back
