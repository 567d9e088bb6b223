"""The backoff of a worker: how long to wait before the next try. Pure: chance is an argument."""

from __future__ import annotations

from collections.abc import Callable

_MOST_DOUBLINGS = 60  # beyond that 2**n is only a risk of overflow


def exponential(tries: int, *, base: float, cap: float) -> float:
    """Seconds: `base` doubled `tries` times, at most `cap`."""
    return min(cap, base * 2.0 ** min(max(tries, 0), _MOST_DOUBLINGS))


def jittered(seconds: float, random: Callable[[], float]) -> float:
    """Between half of it and all of it: spread out, but never at once. `random` gives [0, 1)."""
    return seconds * (0.5 + 0.5 * random())
