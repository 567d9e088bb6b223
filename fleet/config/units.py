"""Durations and sizes as people write them: "250ms", "30s", "1.5GiB"."""

from __future__ import annotations

import re
from datetime import timedelta

DURATION_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
SIZE_UNITS = {
    "B": 1,
    "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12,
    "KiB": 2**10, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40,
}  # fmt: skip

SMALLEST_MESSAGE, LARGEST_MESSAGE = 2**10, 2**29  # RabbitMQ takes no larger ones, Redis no longer strings

DURATION_PATTERN = r"^\d+(\.\d+)?(ms|s|m|h|d)$"
SIZE_PATTERN = r"^\d+(\.\d+)?(B|[kK]B|MB|GB|TB|KiB|MiB|GiB|TiB)$"


def parse_duration(value: object) -> timedelta:
    """A number of seconds, or a text like "90s". Raises ValueError, also for negative numbers."""
    if isinstance(value, timedelta):
        return value
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("not a duration")
    if isinstance(value, str):
        if not re.fullmatch(DURATION_PATTERN, value):
            raise ValueError("not a duration")
        number, unit = _split(value)
        value = number * DURATION_UNITS[unit]
    try:
        duration = timedelta(seconds=value)
    except (OverflowError, ValueError) as error:  # inf and nan included
        raise ValueError("not a duration") from error
    if value < 0:
        raise ValueError("a negative duration")
    return duration


def parse_size(value: object) -> int:
    """A number of bytes, or a text like "512MiB". Raises ValueError, also for what is negative or above 64 bits."""
    if isinstance(value, str):
        if not re.fullmatch(SIZE_PATTERN, value):
            raise ValueError("not a size")
        number, unit = _split(value)
        value = int(min(number * SIZE_UNITS[unit], 2**63))
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError("not a size")
    if not 0 <= value < 2**63:
        raise ValueError("no size of anything")
    return value


def parse_message_size(value: object) -> int:
    """The same within what brokers can hold. Raises ValueError."""
    size = parse_size(value)
    if not SMALLEST_MESSAGE <= size <= LARGEST_MESSAGE:
        raise ValueError("not a size of a message")
    return size


def format_duration(duration: timedelta) -> str:
    """The shortest text that `parse_duration` reads back, exact to the millisecond."""
    seconds = duration.total_seconds()
    for unit in ("d", "h", "m", "s"):
        if seconds and seconds % DURATION_UNITS[unit] == 0:
            return f"{int(seconds / DURATION_UNITS[unit])}{unit}"
    return f"{round(seconds * 1000)}ms"


def format_size(size: int) -> str:
    """For people: at most one decimal, binary units."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size >= SIZE_UNITS[unit]:
            return f"{round(size / SIZE_UNITS[unit], 1):g}{unit}"
    return f"{size}B"


def _split(text: str) -> tuple[float, str]:
    match = re.match(r"[\d.]+", text)
    assert match is not None
    return float(match.group()), text[match.end() :]
