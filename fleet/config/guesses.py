"""What a wrong value was probably meant to be: (value, safe), or None when there is no telling."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from fleet.config.types import POOLS
from fleet.config.units import DURATION_UNITS, SIZE_UNITS, parse_duration, parse_size
from fleet.rules.words import nearest

Guess = tuple[Any, bool]

_DURATION_WORDS = {
    **dict.fromkeys(("millisecond", "milliseconds", "msec", "msecs", "millis"), "ms"),
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
}
_BINARY = {"k": "KiB", "m": "MiB", "g": "GiB", "t": "TiB"}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def guess(kind: str, value: Any, choices: tuple[str, ...] = ()) -> Guess | None:
    """`kind` is the error type of fleet.config.types or pydantic; `choices` what would be right."""
    if kind in ("pool", "literal_error"):
        return _choice(value, choices or POOLS)
    return _GUESSES[kind](value) if kind in _GUESSES else None


def _choice(value: Any, choices: tuple[str, ...]) -> Guess | None:
    """Safe: a check reports it, and shows the guess."""
    near = nearest(value.strip().lower(), choices) if isinstance(value, str) else None
    return (near, True) if near else None


def _flag(value: Any) -> Guess | None:
    return {"true": (True, True), "false": (False, True)}.get(str(value).lower())


def _text(value: Any) -> Guess | None:
    if isinstance(value, bool):
        return str(value).lower(), True
    return (str(value), True) if isinstance(value, int | float) else None


def _list(value: Any) -> Guess | None:
    return ([value], True) if isinstance(value, str | dict) else None


def _whole(value: Any) -> Guess | None:
    if isinstance(value, str) and re.fullmatch(r"\d{1,9}", value.strip()) and int(value) > 0:
        return int(value), True
    if isinstance(value, float) and value.is_integer() and value > 0:
        return int(value), True
    return None


def _duration(value: Any) -> Guess | None:
    """ "10 mins" → "10m", "1h30m" → "90m"; a number as text means seconds."""
    parts = _AMOUNT.findall(value) if isinstance(value, str) else []
    if not parts or "".join(_AMOUNT.sub("", value).split()):
        return None
    units = [_DURATION_WORDS.get(unit.lower(), unit.lower() or "s") for _, unit in parts]
    if any(unit not in DURATION_UNITS for unit in units):
        return None
    if len(parts) == 1:
        return _readable(parts[0][0] + units[0], parse_duration)
    total = sum(float(number) * DURATION_UNITS[unit] for (number, _), unit in zip(parts, units, strict=True))
    smallest = min(units, key=DURATION_UNITS.__getitem__)
    return _readable(f"{total / DURATION_UNITS[smallest]:g}{smallest}", parse_duration)


def _size(value: Any) -> Guess | None:
    """ "512Mi" and "512 mib" → "512MiB"; a lone letter ("512M") is taken as binary, which is a guess."""
    match = _AMOUNT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return None
    number, unit = match[1], match[2].lower()
    for known in SIZE_UNITS:
        if unit in (known.lower(), known.lower().removesuffix("b")) and unit.endswith(("b", "i")):
            return _readable(number + known, parse_size)
    if unit in _BINARY:
        return number + _BINARY[unit], False
    return _readable(f"{number}B", parse_size) if not unit else None


def _readable(text: str, parse: Any) -> Guess | None:
    try:
        parse(text)
    except ValueError:
        return None
    return text, True


_GUESSES: dict[str, Callable[[Any], Guess | None]] = {
    "duration": _duration,
    "size": _size,
    **dict.fromkeys(("int_type", "int_from_float", "concurrency", "prefetch"), _whole),
    "bool_type": _flag,
    "string_type": _text,
    "tuple_type": _list,
}
