"""Answers that are given later: who waits for a change of the programs, and until when."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from supervisor.http import NOT_DONE_YET

DELAY_SECONDS = 0.01
"""Supervisord asks a deferred answer no more often than this. Zero would make it spin."""

_ABANDONED_SECONDS = 1.0
_FOREVER = float("inf")


@dataclass(slots=True, eq=False)
class _Wait:
    after: int
    until: float
    due_since: float | None = None
    answered: bool = False


@dataclass(slots=True)
class LongPolls:
    """`sequence` gives the current number, `answer` the text that a due wait gets."""

    sequence: Callable[[], int]
    answer: Callable[[], str]
    _waits: list[_Wait] = field(default_factory=list)

    def defer(self, after: int, timeout_seconds: float) -> Callable[[], Any]:
        """What an RPC method returns to be asked again, until the sequence is no longer `after`."""
        wait = _Wait(after, time.monotonic() + timeout_seconds)
        self._waits.append(wait)

        def poll() -> Any:
            if not self._due(wait, time.monotonic()):
                return NOT_DONE_YET
            wait.answered = True
            return self.answer()

        poll.delay = DELAY_SECONDS  # type: ignore[attr-defined]
        return poll

    def deadline(self) -> float:
        """When the main loop must ask again (monotonic seconds)."""
        now = time.monotonic()
        self._waits = [wait for wait in self._waits if not self._over(wait, now)]
        return min((self._next_look(wait, now) for wait in self._waits), default=_FOREVER)

    def _due(self, wait: _Wait, now: float) -> bool:
        # Not "greater": whoever waits after a number of an earlier supervisor knows nothing of this one.
        return self.sequence() != wait.after or now >= wait.until

    def _next_look(self, wait: _Wait, now: float) -> float:
        if not self._due(wait, now):
            return wait.until
        if wait.due_since is None:
            wait.due_since = now
        return now + DELAY_SECONDS

    def _over(self, wait: _Wait, now: float) -> bool:
        """Answered, or nobody has asked although it is due: then the client has hung up."""
        return wait.answered or (wait.due_since is not None and now > wait.due_since + _ABANDONED_SECONDS)
