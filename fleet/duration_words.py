"""Durations in words for people: measured, roughly, or exactly as somebody has ordered them. Pure.

How fleet.toml writes a duration ("90s") is in config/units.py.
"""

from __future__ import annotations

_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def measured(seconds: float | None) -> str:
    """Two units at most: 20 ms · 0.4 s · 12 s · 3 min 20 s · 5 h 3 min · 2 d 4 h; "-" for None."""
    if seconds is None:
        return "-"
    if 0 < seconds < 0.095:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    whole = round(seconds)
    for unit, length, lower, lower_length in (("d", _DAY, "h", _HOUR), ("h", _HOUR, "min", _MINUTE)):
        if whole >= length:
            return f"{whole // length} {unit} {whole % length // lower_length} {lower}"
    return f"{whole // _MINUTE} min {whole % _MINUTE} s"


def roughly(seconds: float) -> str:
    """One unit is enough: 45 s · 12 min · 5 h · 3 d. What lies on the other side of now is 0 s."""
    whole = max(0, round(seconds))
    for unit, length in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if whole >= 2 * length or (whole >= length and unit == "min"):
            return f"{whole // length} {unit}"
    return f"{whole} s"


def exactly(seconds: float) -> str:
    """All that is not zero, as people order it: 0.25 s · 90 s · 90 min · 1 h 30 min · 2 days."""
    if seconds < 2 * _MINUTE:
        return f"{seconds:g} s"
    days, rest = divmod(round(seconds), _DAY)
    hours, rest = divmod(rest, _HOUR)
    minutes, rest = divmod(rest, _MINUTE)
    counts = ((days, "day" if days == 1 else "days"), (hours, "h"), (minutes, "min"), (rest, "s"))
    return " ".join(f"{count} {unit}" for count, unit in counts if count)
