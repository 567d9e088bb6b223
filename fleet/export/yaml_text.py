"""Plain values as YAML 1.2 text, always the same bytes for the same values. Comments stand where they are asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

# What no reader of YAML, 1.1 included, takes for anything but text.
_PLAIN = re.compile(r"[A-Za-z/_][A-Za-z0-9/_.-]*(?: [A-Za-z0-9/_.-]+)*")
_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null", "none"})


class Commented(dict[str, Any]):
    """A mapping with lines of comment before some of its keys: `Commented(values, {"key": "comment"})`."""

    def __init__(self, values: dict[str, Any], comments: dict[str, str]) -> None:
        super().__init__(values)
        self.comments = comments


def document(value: dict[str, Any], comment: str = "") -> str:
    """One document, with its end of line; `comment` at its head."""
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment.splitlines())
    return head + "".join(f"{line}\n" for line in _mapping(value, ""))


def _mapping(values: dict[str, Any], indent: str) -> Iterator[str]:
    comments = values.comments if isinstance(values, Commented) else {}
    for key, value in values.items():
        for line in comments.get(key, "").splitlines():
            yield f"{indent}# {line}".rstrip()
        yield from _entry(f"{indent}{scalar(key)}:", value, indent + "  ")


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        yield head
        yield from _mapping(value, indent)
    elif isinstance(value, list) and value and not all(isinstance(each, str | int) for each in value):
        yield head
        yield from _items(value, indent)
    elif isinstance(value, str) and "\n" in value:
        yield head + " " + json.dumps(value, ensure_ascii=True)
    else:
        yield f"{head} {scalar(value)}"


def _items(values: list[Any], indent: str) -> Iterator[str]:
    for value in values:
        if isinstance(value, dict) and value:
            first, *rest = _mapping(value, indent + "  ")
            yield f"{indent}- {first.lstrip()}"
            yield from rest
        else:
            yield f"{indent}- {scalar(value)}"


def scalar(value: Any) -> str:
    """On one line."""
    if isinstance(value, str):
        plain = _PLAIN.fullmatch(value) and value.lower() not in _WORDS
        return value if plain else json.dumps(value, ensure_ascii=True)
    if isinstance(value, list):
        return f"[{', '.join(map(scalar, value))}]"
    if isinstance(value, dict):
        return "{}" if not value else json.dumps(value)
    return json.dumps(value)
