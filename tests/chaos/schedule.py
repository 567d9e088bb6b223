"""Which fault strikes when: decided by the seed alone, before anything runs."""

from __future__ import annotations

import random
from dataclasses import dataclass

PROCESSES = ("worker", "controller", "up")
PREFORK = ("child", "forkserver")
EDITS = ("concurrency", "replicas", "comment", "invalid")
SERVER = ("restart", "crash", "cut", "freeze", "half_open", "refuse")
FILE = ("lock", "disk_full")
RABBIT = ("full", "full_dead", "alarm", "forbid", "forbid_delays")
REDIS = ("readonly", "oom", "forbid")
FAILOVER = ("promote", "sentinel")
KINDS = tuple(dict.fromkeys((*PROCESSES, *PREFORK, *EDITS, *SERVER, *FILE, *RABBIT, *REDIS, *FAILOVER)))

PROXY = {"cut": "cut", "half_open": "half_open", "refuse": "refuse", "forbid": "cut", "forbid_delays": "cut"}
"""Faults by which the proxy ends connections, and how it calls that."""
BREAKS = (*SERVER, "alarm", "forbid", "forbid_delays", *FAILOVER)
"""Faults that may end connections. What only refuses ends none."""
TROUBLE = tuple(dict.fromkeys((*BREAKS, *FILE, *RABBIT, *REDIS)))
"""Faults because of which the broker does not do what it is asked for."""
REFUSES_HANDING_ON = ("full", "full_dead", "forbid", "forbid_delays", "alarm")
"""On RabbitMQ a retry and a dead letter are published; these may refuse that."""
REFUSES_BY_NACK = ("full", "full_dead")


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
    """What can be done to a fleet on this broker with this pool; a set-up may add and leave out."""
    prefork = PREFORK if pool == "prefork" else ()
    broken = {"sqlite": FILE, "redis": (*SERVER, *REDIS), "amqp": (*SERVER, *RABBIT)}[broker]
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
