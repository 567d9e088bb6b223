"""Durations as tasks give them: seconds, "90s", or a timedelta."""

from __future__ import annotations

from datetime import timedelta

from fleet.config.units import parse_duration

Duration = float | str | timedelta


LONGEST_SECONDS = 36_500 * 86_400.0  # a hundred years: what is due later has no date that brokers can write


def seconds(value: Duration | None, what: str) -> float | None:
    """`value` in seconds; None stays None. `what` names it in the ValueError."""
    if value is None:
        return None
    try:
        found = parse_duration(value).total_seconds()
    except ValueError:
        raise ValueError(f'{what} must be seconds or a duration like "30s", got {value!r}') from None
    return checked(found, what)


def checked(value: object, what: str) -> float | None:
    """A number of seconds that can be waited for, or None. `what` names it in the ValueError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{what} must be a number of seconds, got a {type(value).__name__}")
    if not value <= LONGEST_SECONDS:  # NaN is not, either
        raise ValueError(f"{what} must be at most {LONGEST_SECONDS:.0f} seconds, a hundred years")
    return max(float(value), 0.0)  # in the past: now
