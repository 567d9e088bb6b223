"""The messages of one run, decided by its seed: many short ones and a trickle of long ones."""

from __future__ import annotations

import random
import re
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
    again_every: int = 0  # one in so many asks for a retry; 0: none
    fail_every: int = 0  # one in so many ends as a dead letter

    def fate(self, number: int) -> str:
        """Which task: "work", "again" or "fail"."""
        if self.fail_every and number % self.fail_every == self.fail_every - 1:
            return "fail"
        return "again" if self.again_every and number % self.again_every == 1 else "work"

    def times(self, number: int) -> int:
        """How often it is to be done."""
        return 2 if self.fate(number) == "again" else 1

    def failing(self) -> set[int]:
        return {number for number in range(self.count) if self.fate(number) == "fail"}

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


_NUMBER = re.compile(rb"\[\[(\d+)")


def number_in(body: bytes) -> int:
    """Of the message with this body; -1: none of ours."""
    found = _NUMBER.match(body)
    return int(found[1]) if found else -1
