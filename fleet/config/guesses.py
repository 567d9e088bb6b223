"""Guesses at what a wrong value was meant to be: (value, safe), or None when there is no telling."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from fleet.config.types import POOLS
from fleet.config.units import DURATION_UNITS, SIZE_UNITS, parse_duration, parse_size
from fleet.rules.did_you_mean import nearest

Guess = tuple[Any, bool]

_DURATION_WORDS = {
    **dict.fromkeys(("millisecond", "milliseconds", "msec", "msecs", "millis"), "ms"),
    **dict.fromkeys(("sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("min", "mins", "minute", "minutes"), "m"),
    **dict.fromkeys(("hr", "hrs", "hour", "hours"), "h"),
    **dict.fromkeys(("day", "days"), "d"),
}
# What other tools, and people, call a pool.
_POOL_WORDS = {
    **dict.fromkeys(("greenlet", "greenlets", "green", "green threads"), "gevent"),
    **dict.fromkeys(("async", "aio", "coroutine", "coroutines"), "asyncio"),
    **dict.fromkeys(("process", "processes", "multiprocessing", "fork", "forking", "mp"), "prefork"),
    **dict.fromkeys(("thread", "threading", "threadpool", "thread_pool"), "threads"),
    **dict.fromkeys(("single", "sync", "inline", "sequential", "none"), "solo"),
}
_BINARY = {"k": "KiB", "m": "MiB", "g": "GiB", "t": "TiB"}
# A number is no name of a module, a file or a server; that of a user is not its name.
_NO_NUMBER = re.compile(r"^(user|app|beat_scheduler|url)$|_(file|dir)$")
_PATHS = ("pythonpath", "watch")
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([A-Za-z]*)\s*")


def guess(kind: str, value: Any, choices: tuple[str, ...] = (), key: str | int = "") -> Guess | None:
    """`kind` is the error type of fleet.config.types or pydantic; `choices` what would be right; `key` whose value."""
    if kind in ("pool", "literal_error"):
        return _choice(value, choices or POOLS)
    if key == "replicas" and (bounds := _bounds(value)):
        return bounds, False
    if key == "pythonpath" and isinstance(value, str) and ":" in value:
        return [part for part in value.split(":") if part], True
    if kind == "string_type" and _NO_NUMBER.search(str(key)):
        return None
    if kind == "tuple_type" and isinstance(value, str):
        return _listed(value, str(key))
    found = _GUESSES[kind](value) if kind in _GUESSES else None
    is_another = found is not None and (found[0] != value or type(found[0]) is not type(value))
    return found if is_another else None


def _choice(value: Any, choices: tuple[str, ...]) -> Guess | None:
    """Safe: a check reports it, and shows the guess."""
    if not isinstance(value, str):
        return None
    word = value.strip().lower()
    begun = next((each for each in choices if re.match(rf"{each}[ _-]", word)), None)  # "IO-bound"
    other = _POOL_WORDS.get(word) if choices == POOLS else None
    near = begun or other or nearest(word, choices)
    return (near, True) if near else None


def _bounds(value: Any) -> dict[str, int] | None:
    """ "1-8", "1..8" and [1, 8]: as few and as many."""
    numbers = (
        re.fullmatch(r"\s*(\d{1,6})\s*(?:-|\.\.+|:|,)\s*(\d{1,6})\s*", value)
        if isinstance(value, str)
        else None
    )
    pair = [int(number) for number in numbers.groups()] if numbers else value
    if not isinstance(pair, list) or len(pair) != 2 or not all(type(number) is int for number in pair):
        return None
    least, most = sorted(pair)
    return {"min": least, "max": most} if least >= 0 and most >= 1 else None


def _flag(value: Any) -> Guess | None:
    word = value.strip().lower() if isinstance(value, str) else ""
    if word in ("true", "yes", "on"):
        return True, True
    return (False, True) if word in ("false", "no", "off") else None


def _table(value: Any) -> Guess | None:
    """[[workers.http]] for the one table [workers.http]."""
    is_alone = isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict)
    return (value[0], False) if is_alone else None


def _text(value: Any) -> Guess | None:
    if isinstance(value, bool):
        return str(value).lower(), True
    return (str(value), True) if isinstance(value, int | float) else None


def _listed(text: str, key: str) -> Guess | None:
    """A text with commas is a list as shells and INI files write it; a command is one as a shell reads it."""
    if key == "command":
        return _command(text)
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if key == "args":
        return [text], len(parts) < 2  # "Hello, you" is one argument
    names = parts if key in _PATHS else [name for part in parts for name in part.split()]
    return (names, names == parts) if names else None


def _command(text: str) -> Guess | None:
    import shlex  # few files have one

    try:
        words = shlex.split(text)
    except ValueError:
        return None
    if re.search(r"[|&;<>$`*?~()]", text):
        return ["sh", "-c", text], False
    return (words, True) if words else None


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
    # A small number means another unit than bytes.
    return _readable(f"{number}B", parse_size) if not unit and float(number) >= 2**20 else None


def _address(value: Any) -> Guess | None:
    """A port alone, or a host alone; an address of the web."""
    if isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 65535:
        return f"127.0.0.1:{value}", False
    if not isinstance(value, str):
        return None
    plain = re.sub(r"^https?://|/$", "", value.strip())
    if re.fullmatch(r"\d{1,5}", plain):
        plain = f"127.0.0.1:{plain}"
    elif re.fullmatch(r"[\w.-]+", plain):
        plain = f"{plain}:8787"
    is_right = re.fullmatch(r"[\w.-]+:\d{1,5}", plain) and 1 <= int(plain.rpartition(":")[2]) <= 65535
    return (plain, False) if is_right else None


def _proxy(value: Any) -> Guess | None:
    """A name of this machine, an address with its port or a scheme before it, a socket's path."""
    if not isinstance(value, str):
        return None
    word = re.sub(r"^https?://|/$", "", value.strip().lower())
    if word.startswith(("unix", "/")) or word in ("unx", "uinx", "socket"):
        return "unix", False
    if word.partition(":")[0] == "localhost":
        return "127.0.0.1", False
    bare = (
        re.fullmatch(r"\[?([0-9a-f:.]+?)\]?(?::\d+)?", word)
        if "[" in word
        else re.fullmatch(r"([0-9.]+)(?::\d+)?", word)
    )
    try:
        return (str(ipaddress.ip_address(bare[1])), False) if bare else None
    except ValueError:
        return None


def _readable(text: str, parse: Any) -> Guess | None:
    try:
        parse(text)
    except ValueError:
        return None
    return text, True


_GUESSES: dict[str, Callable[[Any], Guess | None]] = {
    "duration": _duration,
    "size": _size,
    "address": _address,
    "proxy": _proxy,
    **dict.fromkeys(("int_type", "int_from_float", "concurrency", "prefetch"), _whole),
    "bool_type": _flag,
    "string_type": _text,
    "tuple_type": lambda value: ([value], True) if isinstance(value, dict) else None,
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), _table),
}
