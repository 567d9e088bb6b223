"""The value types of fleet.toml: each reads what it can be, and tells pydantic how to refuse the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from fleet.config.table import Table, reader
from fleet.config.units import (
    DURATION_PATTERN,
    LARGEST_MESSAGE,
    SIZE_PATTERN,
    SMALLEST_MESSAGE,
    parse_duration,
    parse_message_size,
    parse_size,
)

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
    from pydantic_core import CoreSchema

GROUP_NAME = r"^[A-Za-z0-9_][A-Za-z0-9_-]*$"
POOLS = ("prefork", "gevent", "eventlet", "threads", "solo", "asyncio")
_URL_PATH = r"^(/[A-Za-z0-9._~-]+)*/?$"
CONCURRENCY = r"^cpus(\s*[-/]\s*[1-9]\d{0,8})?$"


class Notation:
    """What `read` makes something of. `kind` is the type of pydantic's error; `schema`, the JSON Schema's choices."""

    def __init__(self, kind: str, read: Callable[[Any], Any], expected: str, *schema: dict[str, Any]) -> None:
        self.kind, self.read, self.expected, self.schema = kind, read, expected, schema

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import PydanticCustomError, core_schema

        def validate(value: Any) -> Any:
            try:
                return self.read(value)
            except ValueError:
                context = {"expected": self.expected}
                raise PydanticCustomError(self.kind, "expected {expected}", context) from None

        return core_schema.no_info_plain_validator_function(validate)

    def __get_pydantic_json_schema__(
        self, _core: CoreSchema, _handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"anyOf": list(self.schema)} if len(self.schema) > 1 else dict(self.schema[0])


class Within:
    """A whole number between two bounds, both allowed."""

    def __init__(self, least: int, most: int | None = None) -> None:
        self.least, self.most = least, most

    def read(self, value: Any) -> int:
        if not _is_whole(value) or value < self.least or (self.most is not None and value > self.most):
            raise ValueError
        return int(value)

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.int_schema(strict=True, ge=self.least, le=self.most)


class TrueOrFalse:
    """And not "true" or 1, which pydantic would take by itself."""

    read = staticmethod(reader(bool))

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.bool_schema(strict=True)


class Matching:
    """A text that matches a pattern."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern

    def read(self, value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(self.pattern, value):
            raise ValueError
        return value

    def __get_pydantic_core_schema__(self, _source: Any, _handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        return core_schema.str_schema(pattern=self.pattern)


class AtLeastOne:
    """A list of texts that is not empty."""

    def read(self, value: Any) -> tuple[str, ...]:
        texts: tuple[str, ...] = reader(tuple[str, ...])(value)
        if not texts:
            raise ValueError
        return texts

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return {**handler(source), "min_length": 1}


class NumberOrTable:
    """A whole number, or a table: which of the two is meant is never in doubt."""

    def __init__(self, number: Any, table: type[Table]) -> None:
        self.number, self.table = number, table

    def read(self, value: Any) -> Any:
        return self.table.read(value) if isinstance(value, dict) else reader(self.number)(value)

    def __get_pydantic_core_schema__(self, _source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        from pydantic_core import core_schema

        choices = {
            "number": handler.generate_schema(self.number),
            "table": handler.generate_schema(self.table),
        }
        return core_schema.tagged_union_schema(
            choices, lambda value: "table" if isinstance(value, dict) else "number"
        )


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _concurrency(value: Any) -> int | str:
    if isinstance(value, str) and re.fullmatch(CONCURRENCY, value):
        return value.replace(" ", "")
    return WHOLE.read(value)


def _pool(value: Any) -> str:
    if value not in POOLS:
        raise ValueError
    return str(value)


def _prefetch(value: Any) -> int | str:
    return "auto" if value == "auto" else WHOLE.read(value)


def _address(value: Any) -> str:
    """HOST:PORT, with the host left out for all addresses and IPv6 in brackets; or unix:PATH."""
    if not isinstance(value, str):
        raise ValueError
    if value.startswith("unix:") and value != "unix:":
        return value
    host, colon, port = value.rpartition(":")
    is_whole = not re.search(r"[:\s/]", host) or re.fullmatch(r"\[[0-9A-Fa-f:.%]+\]", host)
    if not colon or not is_whole or not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535:
        raise ValueError
    return value


def _url_path(value: Any) -> str:
    if not isinstance(value, str) or not re.fullmatch(_URL_PATH, value):
        raise ValueError
    return value


def _proxy(value: Any) -> str:
    """As `ipaddress` reads it; bits below the mask are left out of it. Loads that only where a file has one."""
    import ipaddress

    if not isinstance(value, str):
        raise ValueError
    if value != "unix":
        ipaddress.ip_network(value, strict=False)
    return value


def _cron(value: Any) -> str:
    """Loads cronsim, and only where a file has one."""
    from fleet.schedules.moments import check_cron

    if not isinstance(value, str):
        raise ValueError
    check_cron(value)
    return value


def _timezone(value: Any) -> str:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

    if not isinstance(value, str):
        raise ValueError
    try:
        ZoneInfo(value)
    except (ZoneInfoNotFoundError, OSError) as error:  # a folder of the database, say
        raise ValueError from error
    return value


def _period(value: Any) -> timedelta:
    period = parse_duration(value)
    if period < timedelta(milliseconds=100):
        raise ValueError
    return period


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


WHOLE = Within(1)
_WHOLE = {"type": "integer", "minimum": 1}
Text = str
Flag = Annotated[bool, TrueOrFalse()]
Whole = Annotated[int, WHOLE]
WholeOrZero = Annotated[int, Within(0)]
GroupName = Annotated[str, Matching(GROUP_NAME)]
Duration = Annotated[
    timedelta,
    Notation(
        "duration",
        parse_duration,
        'a duration such as "250ms", "30s", "5m", "2h", "1d"',
        {"type": "string", "pattern": DURATION_PATTERN},
        {"type": "number", "minimum": 0},
    ),
]
Size = Annotated[
    int,
    Notation(
        "size",
        parse_size,
        'a size such as "512MiB", "1.5GiB" or a number of bytes',
        {"type": "string", "pattern": SIZE_PATTERN},
        {"type": "integer", "minimum": 0},
    ),
]
MessageSize = Annotated[
    int,
    Notation(
        "size",
        parse_message_size,
        'a size from "1KiB" to "512MiB"',
        {"type": "string", "pattern": SIZE_PATTERN},
        {"type": "integer", "minimum": SMALLEST_MESSAGE, "maximum": LARGEST_MESSAGE},
    ),
]
Period = Annotated[
    timedelta,
    Notation(
        "duration",
        _period,
        'a duration from 100ms on, such as "30s", "5m", "1d"',
        {"type": "string", "pattern": DURATION_PATTERN},
        {"type": "number", "minimum": 0.1},
    ),
]
Cron = Annotated[
    str,
    Notation(
        "cron",
        _cron,
        'five fields (minute hour day month weekday) such as "0 3 * * mon-fri", six with seconds first, or "@daily"',
        {"type": "string"},
    ),
]
Timezone = Annotated[
    str,
    Notation("timezone", _timezone, 'the name of a time zone such as "Europe/Berlin"', {"type": "string"}),
]
Address = Annotated[
    str,
    Notation(
        "address",
        _address,
        'HOST:PORT such as "127.0.0.1:8787", or "unix:PATH"',
        {"type": "string", "pattern": r"^(unix:.+|.*:\d{1,5})$"},
    ),
]
UrlPath = Annotated[
    str,
    Notation(
        "url_path",
        _url_path,
        'a path such as "/fleet"',
        {"type": "string", "pattern": _URL_PATH},
    ),
]
Proxy = Annotated[
    str,
    Notation(
        "proxy",
        _proxy,
        'an address or a network such as "127.0.0.1" or "10.0.0.0/8", or "unix"',
        {"type": "string", "minLength": 1},
    ),
]
Pool = Annotated[
    str, Notation("pool", _pool, "one of " + ", ".join(POOLS), {"type": "string", "enum": list(POOLS)})
]
Concurrency = Annotated[
    int | str,
    Notation(
        "concurrency",
        _concurrency,
        'a whole number above 0, or "cpus", "cpus-1", "cpus/2"',
        _WHOLE,
        {"type": "string", "pattern": CONCURRENCY},
    ),
]
Prefetch = Annotated[
    int | str,
    Notation("prefetch", _prefetch, 'a whole number above 0, or "auto"', _WHOLE, {"const": "auto"}),
]
DeadLetter = Annotated[
    str | bool,
    Notation(
        "dead_letter",
        _dead_letter,
        "the name of a queue, or false for none",
        {"type": "string"},
        {"const": False},
    ),
]
Texts = Annotated[
    tuple[str, ...],
    Notation(
        "texts",
        _texts,
        "a text or a list of texts, none of them empty",
        {"type": "string", "minLength": 1},
        {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
    ),
]
