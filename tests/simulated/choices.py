"""All that chance decides in a schedule, in one list of numbers: drawn from a seed, or given to replay one.

Most places where something could go wrong draw nothing (0), so a schedule is the few places that drew
something: `taken`, position → number. That is what is printed, replayed and shrunk.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

_BIG = 1 << 30


class Choices:
    """Positions are counted over all draws; nothing is drawn once `calm` is set."""

    def __init__(self, seed: int | None = None, *, given: dict[int, int] | None = None) -> None:
        self._random = random.Random(seed) if given is None else None
        self._given = given or {}
        self._position = 0
        self._next_fault = 0
        self._every = 0.0
        self._enabled: frozenset[str] = frozenset()
        self.taken: dict[int, int] = {}
        self.told: list[str] = []  # the same in words
        self.calm = False

    def unsettle(self, kinds: Sequence[str], every: float) -> None:
        """From now on one place in `every` goes wrong, in some of these ways (not all: swarm testing)."""
        if self._random is not None:
            some = [kind for kind in kinds if self._random.random() < 0.5]
            self._enabled = frozenset(some or kinds)
            self._every = every
            self._skip()

    def pick(self, name: str, options: Sequence[object]) -> int:
        """An index into `options`; the first is the plain case, which shrinking goes for."""
        number = self._draw(self._random.randrange(len(options)) if self._random is not None else 0)
        index = number % len(options)
        if number:
            self.told.append(f"{self._position}: {name} = {options[index]}")
        return index

    def fault(self, where: str, kinds: Sequence[str]) -> str | None:
        """What goes wrong here: one of `kinds`, and nearly always nothing."""
        if self.calm:
            return None
        number = self._draw(self._drawn_fault(kinds))
        if not number:
            return None
        kind = kinds[(number - 1) % len(kinds)]
        self.told.append(f"{self._position}: {where}: {kind}")
        return kind

    def how_much(self, most: int) -> int:
        """A detail of the fault that was just drawn, below `most`."""
        return self._draw(self._random.randrange(_BIG) if self._random is not None else 0) % max(1, most)

    def _drawn_fault(self, kinds: Sequence[str]) -> int:
        if self._random is None or not self._every or self._position + 1 < self._next_fault:
            return 0
        wanted = [index for index, kind in enumerate(kinds) if kind in self._enabled]
        if not wanted:
            return 0
        self._skip()
        return self._random.choice(wanted) + 1

    def _skip(self) -> None:
        assert self._random is not None
        self._next_fault = self._position + 2 + int(self._random.expovariate(1 / self._every))

    def _draw(self, drawn: int) -> int:
        self._position += 1
        number = drawn if self._random is not None else self._given.get(self._position, 0)
        if number:
            self.taken[self._position] = number
        return number


def to_text(taken: dict[int, int]) -> str:
    """`taken` for a command line."""
    return ",".join(f"{position}={number}" for position, number in sorted(taken.items()))


def from_text(text: str) -> dict[int, int]:
    pairs = (part.split("=") for part in text.split(",") if part)
    return {int(position): int(number) for position, number in pairs}
