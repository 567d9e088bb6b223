"""Values as the page shows them: every text visible, large numbers exact, secrets masked, nothing endless."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from fleet.masked_values import masked, masked_repr
from fleet.visible import visible, visible_lines

MOST_CHARACTERS = 1 << 16
MASK = "••••••"
_EXACT_IN_BROWSERS = 2**53
# Written by whoever sends messages and by the app: not for anybody on this machine.
_PRIVATE = frozenset({"traceback", "log_tail"})
_LINES = frozenset({"traceback", "diff", "log", "text"})
# What a message says of its own arguments, for people.
_REPRS = frozenset({"argsrepr", "kwargsrepr"})
_ARGUMENTS = frozenset({"args", "kwargs", *_REPRS})


def shown(value: Any, arguments: str = "hidden") -> Any:
    """A JSON value for the page. `arguments`: "masked", "hidden" (tracebacks and ends of logs, too) or "full"."""
    return _shown(value, arguments, "")


def _shown(value: Any, arguments: str, name: str) -> Any:
    if isinstance(value, str):
        return _cut(visible_lines(value) if name in _LINES else visible(value))
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _EXACT_IN_BROWSERS:
        return str(value)
    if isinstance(value, Mapping):
        return {visible(str(key)): _member(str(key), each, arguments) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_shown(each, arguments, name) for each in value]
    return value


def _member(name: str, value: Any, arguments: str) -> Any:
    if name in _PRIVATE and arguments == "hidden":
        return [] if isinstance(value, list) else None
    if name not in _ARGUMENTS or value is None:
        return _shown(value, arguments, name)
    if arguments == "hidden":
        return None
    if name in _REPRS:
        text = str(value) if arguments == "full" else masked_repr(str(value), MASK)
        return _cut(visible(text))
    return as_text(value if arguments == "full" else masked(value, MASK))


def as_text(value: Any) -> str:
    """JSON, indented: so that numbers stay exact, and a value of megabytes is cut."""
    return _cut(visible_lines(json.dumps(value, ensure_ascii=False, indent=1, default=str)))


def _cut(text: str) -> str:
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[:MOST_CHARACTERS]} … {len(text) - MOST_CHARACTERS:,} more characters"
