"""Held settlements: what a worker has done with and the broker refuses to take stays here, unsettled.

It is tried again with backoff. To publish it elsewhere would multiply it, to give it back would run it again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fleet.broker.delivery import Refused

_FIRST_SECONDS, _MOST_SECONDS = 1.0, 30.0
_MOST_HELD = 128  # beside what the worker may hold anyway: then it takes no more
_TOLD_SECONDS = 60.0  # a refusal that was got over is still told so long, or nobody would see it


@dataclass(slots=True)
class _Held:
    step: Callable[[], None]
    try_at: float
    due_at: float | None = None  # when it will be another thing to try
    pause: float = _FIRST_SECONDS

    def later(self, now: float) -> None:
        self.pause = min(self.pause * 2, _MOST_SECONDS)
        self.try_at = now + self.pause
        if self.due_at is not None and now < self.due_at:
            self.try_at = min(self.try_at, self.due_at)


class Holding:
    """Settlements that the broker has refused. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._held: list[_Held] = []
        self._reason: str | None = None
        self._refused_at = float("-inf")

    def __len__(self) -> int:
        return len(self._held)

    def add(self, step: Callable[[], None], error: Refused, now: float, due_at: float | None = None) -> None:
        """`step` raised that: call it again later, and at `due_at` in any case."""
        first = now + _FIRST_SECONDS
        self._held.append(_Held(step, first if due_at is None else min(first, max(now, due_at)), due_at))
        self.note(error, now)

    def note(self, error: Refused, now: float) -> None:
        """Something was refused, whatever became of it."""
        self._reason, self._refused_at = str(error), now

    def retry(self, now: float) -> None:
        """Do what is due. Raises what a step raises, Refused excepted; that step and the others stay."""
        for held in [each for each in self._held if each.try_at <= now]:
            try:
                held.step()
            except Refused as error:
                held.later(now)
                self.note(error, now)
            else:
                self._held.remove(held)
                self._hurry(now)

    def _hurry(self, now: float) -> None:
        """The broker takes something again."""
        for held in self._held:
            held.pause, held.try_at = _FIRST_SECONDS, min(held.try_at, now + _FIRST_SECONDS)

    def next_in(self, now: float) -> float:
        """Seconds until something is due; infinite when nothing is held."""
        return max(0.0, min((each.try_at for each in self._held), default=float("inf")) - now)

    def room(self) -> int:
        """How many deliveries to take beyond the prefetch, so that what is held keeps none from coming.

        In few steps, because a change costs RabbitMQ a new consumer.
        """
        return 0 if not self._held else min(_MOST_HELD, 1 << (len(self._held) - 1).bit_length())

    def reason(self, now: float) -> str | None:
        """Why the broker has refused something lately, and how much is held for it."""
        if self._held:
            return f"{self._reason}; {len(self._held)} held until it takes them"
        return self._reason if now - self._refused_at < _TOLD_SECONDS else None

    def clear(self) -> None:
        self._held.clear()
