"""The place where a text that is no TOML goes wrong: a quote that is not closed, a key that stands there twice.

The parser tells where it gave up, which may be lines below.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from fleet.config.spans import Scanner, Spans, line_starts
from fleet.diagnostics import Span
from fleet.rules.finding import KeyPath

_TOKEN = re.compile(r"#[^\n]*|\"\"\"|'''|\"|'")
_TOKEN_OR_BRACKET = re.compile(rf"{_TOKEN.pattern}|[\[\]{{}}]")
_REST = {
    '"': re.compile(r'(?:\\.|[^"\\\n])*"'),
    "'": re.compile(r"[^'\n]*'"),
    '"""': re.compile(r'(?:\\.|[^\\])*?"""+', re.DOTALL),
    "'''": re.compile(r".*?'''+", re.DOTALL),
}


def open_text(text: str) -> int | None:
    """Where the first text begins that does not end: on its line, unless it has three quotes."""
    at = 0
    while found := _TOKEN.search(text, at):
        token, at = found.group(), found.end()
        if token.startswith("#"):
            continue
        closed = _REST[token].match(text, at)
        if closed is None:
            return found.start()
        at = closed.end()
    return None


def open_bracket(text: str, end: int) -> int | None:
    """Where the innermost list or inline table begins that is not closed before `end`."""
    opened: list[int] = []
    at = 0
    while (found := _TOKEN_OR_BRACKET.search(text, at, end)) is not None:
        mark, at = found.group(), found.end()
        if mark in "[{":
            opened.append(found.start())
        elif mark in "]}":
            del opened[-1:]
        elif not mark.startswith("#"):
            closed = _REST[mark].match(text, at)
            at = closed.end() if closed else end
    return opened[-1] if opened else None


def position(text: str, offset: int) -> tuple[int, int]:
    """Line and column of an offset, counted from 1."""
    starts = line_starts(text)
    line = bisect_right(starts, offset)
    return line, offset - starts[line - 1] + 1


def twice(text: str) -> tuple[Span, Span] | None:
    """The first key or [table] that stands there a second time, and where it stood first."""
    scanner = _Repeated(Spans(text))
    try:
        scanner.document()
    except _Again as again:
        return again.second, again.first
    except (AssertionError, IndexError, RecursionError, ValueError):
        return None  # another mistake comes first
    return None


class _Again(Exception):  # noqa: N818
    def __init__(self, second: Span, first: Span) -> None:
        super().__init__()
        self.second, self.first = second, first


class _Repeated(Scanner):
    """Stops at the first path that gets a value or a header for the second time."""

    def __init__(self, spans: Spans) -> None:
        super().__init__(spans)
        self._headers: dict[KeyPath, Span] = {}

    def value(self, path: KeyPath) -> None:
        place = self.place(path)
        if place.value or place.header:
            raise _Again(place.keys[-1], place.keys[0] if place.value else place.header or place.keys[0])
        super().value(path)

    def table_header(self) -> KeyPath:
        path = super().table_header()
        header = self.spans.places[path].header
        assert header is not None
        if (first := self._headers.setdefault(path, header)) != header:
            raise _Again(header, first)
        if (value := self.spans.places[path].value) is not None:
            raise _Again(header, value)
        return path
