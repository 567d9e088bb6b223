"""A message on its way to another queue: as it is meant, else in the first shorter form that the broker can take."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from fleet.broker.delivery import Posting
from fleet.protocol.words import cause

Make = Callable[[], Posting]


class HandOver:
    """What is to be published in place of one delivery, which may have to be tried several times."""

    def __init__(self, make: Make, shorter: Callable[[str], Iterator[Make]]) -> None:
        """`make` it as it is meant; `shorter` is told why that can't be written, and gives what to try then."""
        self._ways: Iterator[Make] = iter((make,))
        self._shorter = shorter
        self._has_failed = False
        # Kept: a publisher knows by its identity what is on its way already.
        self._posting: Posting | None = None

    def posting(self) -> Posting | None:
        """What to publish now; None when there is nothing that could be written."""
        while self._posting is None and (make := next(self._ways, None)) is not None:
            try:
                self._posting = make()
            except Exception as error:
                self.failed(error)
        return self._posting

    def failed(self, error: Exception) -> None:
        """A message that can't be written: sizes, types and depths that some client could write and we can't."""
        self._posting = None
        if not self._has_failed:
            self._has_failed = True
            self._ways = self._shorter(cause(error))
