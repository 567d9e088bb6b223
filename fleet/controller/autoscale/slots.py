"""The slots of a group that are filled: the lowest free ones when it grows, the idle ones go first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SlotLoad:
    """A worker in its slot and what it does; during a rollout a slot may have two."""

    slot: int
    in_flight: int = 0
    ready: bool = True


def filled(slots: Sequence[int], count: int) -> tuple[int, ...]:
    """`count` slots, sorted: those given, and the lowest others."""
    taken = set(slots)
    free = [slot for slot in range(count + len(taken)) if slot not in taken]
    return tuple(sorted([*taken, *free[: count - len(taken)]]))


def in_flight_of(loads: Sequence[SlotLoad], slot: int) -> int:
    return sum(each.in_flight for each in loads if each.slot == slot)


def most_idle(loads: Sequence[SlotLoad], slots: Sequence[int]) -> int:
    """The slot with the least to do; of equals the highest."""
    return min(slots, key=lambda slot: (in_flight_of(loads, slot), -slot))


def without_most_idle(loads: Sequence[SlotLoad], slots: Sequence[int], count: int) -> tuple[int, ...]:
    """`count` of them: the others go."""
    left = list(slots)
    while len(left) > count:
        left.remove(most_idle(loads, left))
    return tuple(left)
