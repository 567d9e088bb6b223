"""Which fault strikes when: decided by the seed alone, before anything runs."""

from __future__ import annotations

import random
from dataclasses import dataclass

PROCESSES = ("worker", "controller", "up")
PREFORK = ("child", "forkserver")
SERVER = ("restart", "crash", "cut", "freeze", "half_open", "refuse")
FILE = ("lock",)
EDITS = ("concurrency", "replicas", "comment", "invalid")
KINDS = (*PROCESSES, *PREFORK, *SERVER, *FILE, *EDITS)


@dataclass(frozen=True, slots=True)
class Fault:
    """Strikes once `after` messages have been done. `pick` in [0, 1) chooses among what is there then.

    `seconds`: how long a state like `freeze` lasts.
    """

    kind: str
    after: int
    pick: float
    seconds: float


def kinds_for(broker: str, pool: str) -> tuple[str, ...]:
    """What can be done to a fleet on this broker with this pool."""
    prefork = PREFORK if pool == "prefork" else ()
    broken = FILE if broker == "sqlite" else SERVER
    return (*PROCESSES, *prefork, *broken, *EDITS)


def schedule(
    seed: int, kinds: tuple[str, ...], count: int, messages: int, seconds: tuple[float, float] = (0.3, 2.0)
) -> list[Fault]:
    """`count` faults in order of `after`; each kind comes before any comes again. They last `seconds`."""
    chance = random.Random(f"faults {seed}")
    moments = sorted(chance.randrange(messages // 20, messages * 19 // 20) for _ in range(count))
    deck: list[str] = []
    while len(deck) < count:
        deck += chance.sample(kinds, len(kinds))
    return [
        Fault(kind, after, round(chance.random(), 4), round(chance.uniform(*seconds), 2))
        for kind, after in zip(deck, moments, strict=False)
    ]
