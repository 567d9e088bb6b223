"""The data of a Redis in memory, and those commands of it that fleet uses, as plain functions.

Names, keys and values are bytes. What is missing is no key at all, so nothing empty stays.
`tests/simulated/test_fakes.py` holds this against a real Redis.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Keys = dict[bytes, Any]
Arguments = list[bytes]

# What needs memory: refused by a full Redis, unless its script has written before.
NEEDS_MEMORY = frozenset(
    {b"ZADD", b"LPUSH", b"RPUSH", b"LMOVE", b"BLMOVE", b"HSET", b"SADD", b"INCRBY", b"SET"}
)
WRITES = NEEDS_MEMORY | {b"ZREM", b"ZREMRANGEBYRANK", b"RPOP", b"LPOP", b"HDEL", b"SREM", b"DEL"}


class RefusedError(Exception):
    """An error reply."""


def run(keys: Keys, command: bytes, arguments: Arguments) -> Any:
    """The reply: bytes, int, list, None. Raises RefusedError."""
    handler = _COMMANDS.get(command)
    if handler is None:
        raise RefusedError(f"ERR the simulated Redis does not know {command.decode()}")
    return handler(keys, *arguments)


def _range(length: int, first: bytes, last: bytes) -> slice:
    begin, end = int(first), int(last)
    begin = max(0, begin + length if begin < 0 else begin)
    end = end + length if end < 0 else end
    return slice(begin, max(begin, end + 1))


def _tidy(keys: Keys, key: bytes) -> None:
    if key in keys and not keys[key]:
        del keys[key]


# Lists: the left end is the first item


def _push(left: bool) -> Callable[..., int]:
    def push(keys: Keys, key: bytes, *values: bytes) -> int:
        items = keys.setdefault(key, [])
        for value in values:
            items.insert(0, value) if left else items.append(value)
        return len(items)

    return push


def _rpop(keys: Keys, key: bytes, count: bytes | None = None) -> Any:
    items = keys.get(key)
    if items is None:
        return None
    if count is None:
        found = items.pop()
        _tidy(keys, key)
        return found
    taken = [items.pop() for _ in range(min(int(count), len(items)))]
    _tidy(keys, key)
    return taken


def _lmove(keys: Keys, source: bytes, target: bytes, origin: bytes, end: bytes) -> bytes | None:
    items = keys.get(source)
    if not items:
        return None
    value: bytes = items.pop(0 if origin.upper() == b"LEFT" else -1)
    _tidy(keys, source)
    _push(end.upper() == b"LEFT")(keys, target, value)
    return value


def _lrange(keys: Keys, key: bytes, first: bytes, last: bytes) -> list[bytes]:
    items: list[bytes] = keys.get(key, [])
    return items[_range(len(items), first, last)]


def _lindex(keys: Keys, key: bytes, index: bytes) -> bytes | None:
    items = keys.get(key, [])
    at = int(index)
    return items[at] if -len(items) <= at < len(items) else None


# Hashes


def _hset(keys: Keys, key: bytes, *pairs: bytes) -> int:
    table = keys.setdefault(key, {})
    before = len(table)
    table.update(zip(pairs[::2], pairs[1::2], strict=True))
    return len(table) - before


def _hdel(keys: Keys, key: bytes, *fields: bytes) -> int:
    table = keys.get(key, {})
    count = sum(table.pop(field, None) is not None for field in fields)
    _tidy(keys, key)
    return count


# Sets, kept in order so that a schedule repeats


def _sadd(keys: Keys, key: bytes, *members: bytes) -> int:
    table = keys.setdefault(key, {})
    before = len(table)
    table.update(dict.fromkeys(members, True))
    return len(table) - before


# Sorted sets


def _ordered(keys: Keys, key: bytes) -> list[tuple[float, bytes]]:
    return sorted((score, member) for member, score in keys.get(key, {}).items())


def _zadd(keys: Keys, key: bytes, *rest: bytes) -> int:
    flags = set()
    while rest and rest[0].upper() in (b"XX", b"NX", b"GT", b"LT", b"CH"):
        flags.add(rest[0].upper())
        rest = rest[1:]
    table = keys.setdefault(key, {})
    added = 0
    for raw, member in zip(rest[::2], rest[1::2], strict=True):
        score, known = float(raw), member in table
        if (b"XX" in flags and not known) or (b"NX" in flags and known):
            continue
        if known and (
            (b"GT" in flags and score <= table[member]) or (b"LT" in flags and score >= table[member])
        ):
            continue
        added += not known
        table[member] = score
    _tidy(keys, key)
    return added


def _with_scores(found: Iterable[tuple[float, bytes]], wanted: bool) -> list[bytes]:
    return [part for score, member in found for part in ((member, number(score)) if wanted else (member,))]


def _zrange(keys: Keys, key: bytes, first: bytes, last: bytes, *options: bytes) -> list[bytes]:
    found = _ordered(keys, key)
    return _with_scores(found[_range(len(found), first, last)], b"WITHSCORES" in options)


def _bound(text: bytes) -> float:
    return float(text.decode().lstrip("("))


def _zrangebyscore(keys: Keys, key: bytes, low: bytes, high: bytes, *options: bytes) -> list[bytes]:
    found = [pair for pair in _ordered(keys, key) if _bound(low) <= pair[0] <= _bound(high)]
    if b"LIMIT" in options:
        at = options.index(b"LIMIT")
        offset, count = int(options[at + 1]), int(options[at + 2])
        found = found[offset : offset + count]
    return _with_scores(found, b"WITHSCORES" in options)


def _zremrangebyrank(keys: Keys, key: bytes, first: bytes, last: bytes) -> int:
    found = _ordered(keys, key)
    gone = found[_range(len(found), first, last)]
    return _remove(keys, key, *(member for _, member in gone))


def _zscore(keys: Keys, key: bytes, member: bytes) -> bytes | None:
    score = keys.get(key, {}).get(member)
    return None if score is None else number(score)


def _remove(keys: Keys, key: bytes, *members: bytes) -> int:
    table = keys.get(key, {})
    count = sum(table.pop(member, None) is not None for member in members)
    _tidy(keys, key)
    return count


def number(value: float) -> bytes:
    """As Redis writes a score."""
    return str(int(value)).encode() if value == int(value) else repr(value).encode()


def _incrby(keys: Keys, key: bytes, amount: bytes) -> int:
    keys[key] = number(int(keys.get(key, b"0")) + int(amount))
    return int(keys[key])


def _set(keys: Keys, key: bytes, value: bytes, *options: bytes) -> bytes | None:
    if b"NX" in options and key in keys:
        return None
    keys[key] = value
    return b"OK"


_COMMANDS: dict[bytes, Callable[..., Any]] = {
    b"LPUSH": _push(True),
    b"RPUSH": _push(False),
    b"RPOP": _rpop,
    b"LMOVE": _lmove,
    b"LRANGE": _lrange,
    b"LINDEX": _lindex,
    b"LLEN": lambda keys, key: len(keys.get(key, ())),
    b"HSET": _hset,
    b"HGET": lambda keys, key, field: keys.get(key, {}).get(field),
    b"HDEL": _hdel,
    b"HKEYS": lambda keys, key: list(keys.get(key, {})),
    b"HEXISTS": lambda keys, key, field: int(field in keys.get(key, {})),
    b"HLEN": lambda keys, key: len(keys.get(key, ())),
    b"HVALS": lambda keys, key: list(keys.get(key, {}).values()),
    b"SADD": _sadd,
    b"SREM": _remove,
    b"SMEMBERS": lambda keys, key: list(keys.get(key, ())),
    b"SISMEMBER": lambda keys, key, member: int(member in keys.get(key, ())),
    b"ZADD": _zadd,
    b"ZREM": _remove,
    b"ZRANGE": _zrange,
    b"ZRANGEBYSCORE": _zrangebyscore,
    b"ZREMRANGEBYRANK": _zremrangebyrank,
    b"ZCARD": lambda keys, key: len(keys.get(key, ())),
    b"ZSCORE": _zscore,
    b"DEL": lambda keys, *names: sum(keys.pop(name, None) is not None for name in names),
    b"EXISTS": lambda keys, *names: sum(name in keys for name in names),
    b"GET": lambda keys, key: keys.get(key),
    b"SET": _set,
    b"INCRBY": _incrby,
    b"INCR": lambda keys, key: _incrby(keys, key, b"1"),
    b"PING": lambda _keys: b"PONG",
}
