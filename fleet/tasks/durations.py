"""Durations as tasks give them: seconds, "90s", or a timedelta."""

from __future__ import annotations

from datetime import timedelta

from fleet.config.units import parse_duration

Duration = float | str | timedelta


def seconds(value: Duration | None, what: str) -> float | None:
    """`value` in seconds; None stays None. `what` names it in the ValueError."""
    if value is None:
        return None
    try:
        return parse_duration(value).total_seconds()
    except ValueError:
        raise ValueError(f'{what} must be seconds or a duration like "30s", got {value!r}') from None
