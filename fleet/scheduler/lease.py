"""The lease of a foreign scheduler class: a note in the broker says which host lets it send, and until when.

It is no more than that: whoever is stopped for longer than the lease between a look at it and its send doubles that
one run. Schedules of fleet's own need no lease.
"""

from __future__ import annotations

import json
import time

from fleet.broker.notes import Entry, Written

NAME = "\x00beat"
"""Of its note. No schedule is called so."""

SECONDS = 30.0
_MARGIN_SECONDS = 5.0
_RENEW_SECONDS = 10.0


class Lease:
    """`holder` is the same in the next process on this host. Times of the note are the book's, in milliseconds."""

    def __init__(self, holder: str) -> None:
        self._holder = holder
        self._until = float("-inf")  # monotonic

    def is_held(self) -> bool:
        """From any thread."""
        return time.monotonic() < self._until

    def renewal(self, text: str | None, now: int) -> Entry | None:
        """What to write, if it is time to and nobody else has it."""
        holder, until = _read(text)
        if holder != self._holder and until > now:
            self._until = float("-inf")
            return None
        if self.is_held() and until - now > (SECONDS - _RENEW_SECONDS) * 1000:
            return None
        wanted = {"holder": self._holder, "until": now + round(SECONDS * 1000)}
        return Entry(NAME, text, json.dumps(wanted))

    def written(self, outcome: Written, begun_at: float) -> None:
        """`begun_at` is monotonic, from before the note was written."""
        held = outcome.done and _read(outcome.note)[0] == self._holder
        self._until = begun_at + SECONDS - _MARGIN_SECONDS if held else float("-inf")


def _read(text: str | None) -> tuple[str | None, int]:
    """Holder, and until when."""
    try:
        said = json.loads(text or "{}")
        return str(said["holder"]), int(said["until"])
    except (ValueError, TypeError, KeyError):
        return None, 0
