"""Faults of the product that schedules find and that are not mended yet: empty this list as they are.

A breach counts as known where its text begins so. Shown to be found all the same by test_known_faults.py.
"""

from __future__ import annotations

# (broker, how the breach begins, which fault that is)
KNOWN: tuple[tuple[str, str, str], ...] = ()


def unknown(broker: str, breaches: list[str]) -> list[str]:
    """Those that nobody knows of."""
    beginnings = tuple(begins for name, begins, _ in KNOWN if name == broker)
    return [breach for breach in breaches if not beginnings or not breach.startswith(beginnings)]
