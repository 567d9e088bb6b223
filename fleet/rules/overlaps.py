"""The overlaps of patterns: which of many may have to do with another one, by the letters at both ends.

To compare each route with each other one takes minutes in a long file, and nearly all pairs differ in a letter that
stands before the first wildcard or behind the last one. Candidates only: whether two patterns really overlap, the
caller has to look at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Generic, TypeVar

T = TypeVar("T")

_WILD = re.compile(r"[*?#\[\]]")
# Beyond so many candidates a pattern is not looked at further: only files made by a program come so far.
_MOST = 16
# Of an end so much is compared: names are shorter, and each letter costs a look.
_LONGEST = 200


def literals(pattern: str) -> tuple[str, str]:
    """What is before the first wildcard, and behind the last one; twice the pattern when it has none."""
    pieces = _WILD.split(pattern)
    return pieces[0], pieces[-1]


def _ends(pattern: str) -> tuple[str, str]:
    """To be compared from the outside inwards."""
    begin, end = literals(pattern)
    return begin[:_LONGEST], end[::-1][:_LONGEST]


class Overlaps(Generic[T]):
    """Patterns with a value each, in the order in which they were added."""

    def __init__(self) -> None:
        self._ends = (_Ends[T](), _Ends[T]())

    def add(self, pattern: str, value: T) -> None:
        for ends, text in zip(self._ends, _ends(pattern), strict=True):
            ends.add(text, value)

    def candidates(self, pattern: str) -> Iterator[T]:
        """The patterns that may match a name that `pattern` matches, the first added first."""
        first, last = (ends.near(text) for ends, text in zip(self._ends, _ends(pattern), strict=True))
        yield from min(first, last, key=len)


class _Ends(Generic[T]):
    """Values by one end of their pattern."""

    def __init__(self) -> None:
        self._number = 0
        self._at: dict[str, list[tuple[int, T]]] = {}
        self._further: dict[str, list[tuple[int, T]]] = {}

    def add(self, text: str, value: T) -> None:
        self._number += 1
        for length in range(len(text)):
            _keep(self._further.setdefault(text[:length], []), (self._number, value))
        _keep(self._at.setdefault(text, []), (self._number, value))

    def near(self, text: str) -> list[T]:
        """Of all whose end is the beginning of `text`, or begins with it."""
        found = list(self._further.get(text, ()))
        for length in range(len(text) + 1):
            found += self._at.get(text[:length], ())
        return [value for _, value in sorted(found, key=lambda each: each[0])]


def _keep(few: list[tuple[int, T]], one: tuple[int, T]) -> None:
    if len(few) <= _MOST:
        few.append(one)
