"""Lessons of settings that a group had before: pools that its tasks block, how many at once a service bears. Pure.

A worker on threads can't tell that its tasks would block an event loop, and twenty slots can't tell that a
database takes no more than twenty: who forgets it gives the advice that was followed, and regretted, again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

FORGOTTEN_SECONDS = 30 * 86_400.0
"""Code and services change."""


class Lessons(NamedTuple):
    """`blocked`: pools on which one task at a time got on, and when that was seen; `knee`: (so many at once, when)."""

    blocked: Mapping[str, float] = {}
    knee: tuple[int, float] | None = None

    @property
    def at_once(self) -> int | None:
        """More brought nothing."""
        return self.knee[0] if self.knee else None

    def with_seen(self, blocked: str | None, knee: int | None, now: float) -> Lessons:
        return Lessons(
            {**self.blocked, blocked: now} if blocked else self.blocked, (knee, now) if knee else self.knee
        )

    def to_json(self) -> dict[str, Any]:
        return {"blocked": dict(self.blocked), "knee": self.knee}


def read_lessons(said: object, now: float) -> Lessons:
    """Of what was written; what is old, or no lesson, is left out."""
    if not isinstance(said, dict):
        return Lessons()
    blocked, knee = said.get("blocked"), said.get("knee")
    return Lessons(
        {str(pool): float(at) for pool, at in blocked.items() if _is_fresh(at, now)}
        if isinstance(blocked, dict)
        else {},
        (int(knee[0]), float(knee[1]))
        if isinstance(knee, list)
        and len(knee) == 2
        and isinstance(knee[0], int)
        and knee[0] >= 1
        and _is_fresh(knee[1], now)
        else None,
    )


def _is_fresh(at: object, now: float) -> bool:
    return isinstance(at, int | float) and now - FORGOTTEN_SECONDS < at <= now + 1
