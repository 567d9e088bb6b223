"""The messages of one run, decided by its seed: many short ones and a trickle of long ones."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Work:
    """How many messages, how long they take (seconds), and how fast they come (messages a second)."""

    count: int
    seed: int
    mean_seconds: float
    per_second: float
    long_every: int = 100
    long_seconds: float = 1.5
    share_at_once: float = 0.5

    def seconds(self) -> list[float]:
        """Of each message, by its number."""
        chance = random.Random(f"work {self.seed}")
        return [
            round(chance.uniform(0.5, 1.5) * self.long_seconds, 3)
            if number % self.long_every == self.long_every - 1
            else round(chance.uniform(0, 2) * self.mean_seconds, 4)
            for number in range(self.count)
        ]

    @property
    def at_once(self) -> int:
        """So many are there before the first fault; the others come while faults strike."""
        return int(self.count * self.share_at_once)
