"""One thing that is wrong with a broker URL or its options, and the words for names that nobody knows."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

from fleet.broker_url import redis_options

Kind = Literal["url", "password", "parameter"]


class Mistake(NamedTuple):
    """`option`: the path below `transport_options` that it is about; none for the URL. `harmless`: ignored.

    `where`: the part of the URL that it is about. `by_name`: the option's name is wrong, not its value.
    """

    kind: Kind
    text: str
    help: str | None = None
    option: tuple[str, ...] | None = None
    harmless: bool = False
    where: str | None = None
    by_name: bool = False


def shown(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_]\w{0,40}", name) else "…"


def meant(name: str, known: Mapping[str, Any]) -> str | None:
    if f"ssl_{name}" in known:
        return f"did you mean ssl_{name}?"
    close = nearest(name, known)
    if close == "visibility_timeout":
        return "remove it: visibility_timeout, if that was meant, does nothing here either"
    if close:
        return f"did you mean {close}?"
    # amqp's names, or Redis' own in the wrong table.
    tls = name if name in redis_options.TLS else f"ssl_{name}"
    return f"ssl = {{ {tls} = … }}" if tls in redis_options.TLS else None


def nearest(name: str, names: Iterable[str]) -> str | None:
    from difflib import get_close_matches  # most have nothing to guess

    return next(iter(get_close_matches(name, list(names), 1, 0.6)), None)
