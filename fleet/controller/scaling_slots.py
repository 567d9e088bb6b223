"""Which slots of a group are filled: the lowest free ones when it grows, the idle ones go first. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Seat:
    """A worker in its slot and what it does; during a rollout a slot may have two."""

    slot: int
    in_flight: int = 0
    ready: bool = True


def filled(slots: Sequence[int], count: int) -> tuple[int, ...]:
    """`count` slots, sorted: those given, and the lowest others."""
    taken = set(slots)
    free = [slot for slot in range(count + len(taken)) if slot not in taken]
    return tuple(sorted([*taken, *free[: count - len(taken)]]))


def in_flight_of(seats: Sequence[Seat], slot: int) -> int:
    return sum(seat.in_flight for seat in seats if seat.slot == slot)


def most_idle(seats: Sequence[Seat], slots: Sequence[int]) -> int:
    """The slot with the least to do; of equals the highest."""
    return min(slots, key=lambda slot: (in_flight_of(seats, slot), -slot))


def without_most_idle(seats: Sequence[Seat], slots: Sequence[int], count: int) -> tuple[int, ...]:
    """`count` of them: the others go."""
    left = list(slots)
    while len(left) > count:
        left.remove(most_idle(seats, left))
    return tuple(left)
