"""A failing schedule made small: fewer draws, by delta debugging, as long as it still fails."""

from __future__ import annotations

from collections.abc import Callable

Taken = dict[int, int]


def shrink(taken: Taken, fails: Callable[[Taken], bool], *, most_runs: int = 400) -> Taken:
    """A part of `taken` for which `fails` holds, where (given enough runs) no single draw can be left out."""
    runs = 0
    parts = 2
    while taken and runs < most_runs:
        positions = sorted(taken)
        size = max(1, len(positions) // parts)
        for first in range(0, len(positions), size):
            without = {at: taken[at] for at in positions[:first] + positions[first + size :]}
            runs += 1
            if fails(without):
                taken, parts = without, max(2, parts - 1)
                break
        else:
            if size == 1:
                break
            parts = min(len(positions), parts * 2)
    return taken
