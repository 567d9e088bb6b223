"""Histograms of seconds over one list of bounds that never changes, so that any two can be added.

Standard library only, and nothing that a green pool would have to patch: workers count with it, the controller adds and
keeps, commands show.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

# OpenTelemetry's fourteen for durations are among them.
BOUNDS: tuple[float, ...] = (
    *(0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.075, 0.1, 0.15, 0.25, 0.35, 0.5, 0.75),
    *(1.0, 1.5, 2.5, 3.5, 5.0, 7.5, 10.0, 15.0, 20.0, 30.0, 45.0, 60.0, 90.0, 120.0, 180.0, 300.0, 450.0),
    *(600.0, 900.0, 1200.0, 1800.0, 2700.0, 3600.0, 7200.0, 14400.0, 28800.0, 86400.0),
)
BUCKETS = len(BOUNDS) + 1
"""The last one has no upper bound."""


def bucket(seconds: float) -> int:
    """Which one counts it: a bound belongs to the bucket below it, as in Prometheus."""
    return bisect_left(BOUNDS, seconds)


def quantile(counts: Sequence[float], part: float) -> float | None:
    """The seconds that `part` (0 to 1) of what was counted did not exceed; None when nothing was.

    Interpolated inside a bucket. What lies beyond the last bound is said to be as long as that.
    """
    total = sum(counts)
    if total <= 0:
        return None
    rank, seen = part * total, 0.0
    for index, count in enumerate(counts):
        if count > 0 and seen + count >= rank:
            if index >= len(BOUNDS):
                return BOUNDS[-1]
            low = BOUNDS[index - 1] if index else 0.0
            return low + (BOUNDS[index] - low) * max(0.0, rank - seen) / count
        seen += count
    return BOUNDS[-1]
