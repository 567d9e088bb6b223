"""Notes that only one scheduler writes: an entry is made where its note is as it expects."""

from __future__ import annotations

from fleet.broker.notes import Entry, Written
from fleet.scheduler.books.held import judge

NOTES = {"a": "1"}


def test_an_entry_that_expects_what_stands_there_is_made() -> None:
    fits, new = Entry("a", "1", "2"), Entry("b", None, "1")
    assert judge(NOTES, [fits, new]) == ([fits, new], [Written(True, "2"), Written(True, "1")])


def test_an_entry_that_expects_something_else_is_told_what_stands_there() -> None:
    stale, missing = Entry("a", None, "2"), Entry("b", "0", "1")
    assert judge(NOTES, [stale, missing]) == ([], [Written(False, "1"), Written(False, None)])
