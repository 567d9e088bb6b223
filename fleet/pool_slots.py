"""The slots of a pool: how many deliveries it runs at once. Pure; for the file and for what it resolves to."""

from __future__ import annotations


def pool_slots(pool: str, concurrency: int) -> int:
    return 1 if pool == "solo" else concurrency
