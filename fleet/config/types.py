"""The value types of fleet.toml: each refuses what it can't be with an error type of its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from fleet.config.units import DURATION_PATTERN, SIZE_PATTERN, parse_duration, parse_size

GROUP_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_-]*$"
POOLS = ("prefork", "gevent", "eventlet", "threads", "solo")
CONCURRENCY = r"^cpus(\s*[-/]\s*[1-9]\d*)?$"


def _check(kind: str, parse: Callable[[Any], Any], expected: str) -> BeforeValidator:
    def validate(value: Any) -> Any:
        try:
            return parse(value)
        except ValueError:
            raise PydanticCustomError(kind, "expected {expected}", {"expected": expected}) from None

    return BeforeValidator(validate)


def _concurrency(value: Any) -> int | str:
    if isinstance(value, str) and re.fullmatch(CONCURRENCY, value):
        return value.replace(" ", "")
    if isinstance(value, int) and not isinstance(value, bool) and value >= 1:
        return value
    raise ValueError


def _pool(value: Any) -> str:
    if value not in POOLS:
        raise ValueError
    return str(value)


def _prefetch(value: Any) -> int | str:
    if value == "auto" or (isinstance(value, int) and not isinstance(value, bool) and value >= 1):
        return value  # type: ignore[no-any-return]
    raise ValueError


def _dead_letter(value: Any) -> Any:
    if value is False or (isinstance(value, str) and value):
        return value
    raise ValueError


def _texts(value: Any) -> tuple[str, ...]:
    """One text or a list of them."""
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list | tuple) or not texts or not all(isinstance(t, str) and t for t in texts):
        raise ValueError
    return tuple(texts)


def _schema(*options: dict[str, Any]) -> WithJsonSchema:
    return WithJsonSchema({"anyOf": list(options)} if len(options) > 1 else options[0])


_WHOLE = {"type": "integer", "minimum": 1}
Duration = Annotated[
    timedelta,
    _check("duration", parse_duration, 'a duration such as "250ms", "30s", "5m", "2h", "1d"'),
    _schema({"type": "string", "pattern": DURATION_PATTERN}, {"type": "number", "minimum": 0}),
]
Size = Annotated[
    int,
    _check("size", parse_size, 'a size such as "512MiB", "1.5GiB" or a number of bytes'),
    _schema({"type": "string", "pattern": SIZE_PATTERN}, {"type": "integer", "minimum": 0}),
]
Pool = Annotated[
    str,
    _check("pool", _pool, "one of " + ", ".join(POOLS)),
    _schema({"type": "string", "enum": list(POOLS)}),
]
Concurrency = Annotated[
    int | str,
    _check("concurrency", _concurrency, 'a whole number above 0, or "cpus", "cpus-1", "cpus/2"'),
    _schema(_WHOLE, {"type": "string", "pattern": CONCURRENCY}),
]
Prefetch = Annotated[
    int | str,
    _check("prefetch", _prefetch, 'a whole number above 0, or "auto"'),
    _schema(_WHOLE, {"const": "auto"}),
]
DeadLetter = Annotated[
    str | bool,
    _check("dead_letter", _dead_letter, "the name of a queue, or false for none"),
    _schema({"type": "string"}, {"const": False}),
]
Texts = Annotated[
    tuple[str, ...],
    _check("texts", _texts, "a text or a list of texts"),
    _schema(
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    ),
]
Text = StrictStr
Flag = StrictBool
Whole = Annotated[StrictInt, Field(ge=1)]
WholeOrZero = Annotated[StrictInt, Field(ge=0)]
GroupName = Annotated[str, StringConstraints(pattern=GROUP_NAME)]
