"""Dead letters of a store with leases: a scan holds about as many bytes as are dealt with at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from fleet.broker.dead_letters import FIRST_STEP, MOST_BYTES_AT_ONCE, next_step
from fleet.broker.leased.dead_letters import LeasedDeadLetters
from fleet.broker.leased.store import Claim
from fleet.protocol import Encoded

MIB = 1 << 20


class Shelf:
    """A store that tells what it was asked for."""

    def __init__(self, bodies: Sequence[bytes]) -> None:
        self.bodies = bodies
        self.asked: list[int] = []

    def owners(self) -> list[str]:
        return []

    def browse(self, queue: str, limit: int, skip: int = 0) -> list[Claim]:
        self.asked.append(limit)
        return [
            Claim(number, queue, Encoded(body, {}, {}, "application/json", "utf-8"), 1)
            for number, body in enumerate(self.bodies[skip : skip + limit], skip)
        ]


def scanned(bodies: Sequence[bytes]) -> tuple[int, list[int]]:
    shelf: Any = Shelf(bodies)
    return sum(1 for _ in LeasedDeadLetters(lambda _: shelf).scan("q.dead")), shelf.asked


def test_small_ones_are_fetched_many_at_once() -> None:
    number, asked = scanned([b"small"] * 1000)
    assert number == 1000
    assert asked[0] == FIRST_STEP
    assert len(asked) <= 7


def test_of_large_ones_no_more_are_fetched_than_are_dealt_with_at_once() -> None:
    number, asked = scanned([b"x" * 5 * MIB] * 60)
    assert number == 60
    assert max(asked) * 5 * MIB <= max(MOST_BYTES_AT_ONCE, FIRST_STEP * 5 * MIB)
    assert asked[1] == MOST_BYTES_AT_ONCE // (5 * MIB)


@pytest.mark.parametrize(
    ("sizes", "step"), [([], 500), ([0], 500), ([100, 200], 500), ([MIB], 64), ([MIB, 200 * MIB], 1)]
)
def test_the_largest_of_the_last_decides_how_many_come_next(sizes: list[int], step: int) -> None:
    assert next_step(sizes, 500) == step
