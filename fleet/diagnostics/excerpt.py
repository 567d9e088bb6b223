"""One line of the file and what to underline in it: secrets masked, tabs and wide letters measured."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from fleet.diagnostics.masking import Masked
from fleet.diagnostics.model import Span

_TAB = "    "
_ELLIPSIS = "…"


class Excerpt(NamedTuple):
    """`text` fits the width asked for. `start` and `length` of the mark are in terminal cells; length ≥ 1."""

    text: str
    start: int
    length: int


def excerpt(lines: Sequence[Masked], span: Span, width: int) -> Excerpt:
    """The first line of `span`; a span over several lines is marked to the end of its first one."""
    masked = lines[span.line - 1] if span.line <= len(lines) else Masked("", (), 0)
    end_column = span.end_column if span.end_line == span.line else masked.length + 1
    start = masked.column(min(span.column - 1, masked.length))
    end = max(start, masked.column(min(end_column - 1, masked.length)))
    before, marked, after = (_printable(masked.text[a:b]) for a, b in ((0, start), (start, end), (end, None)))
    return _fit(before, marked, after.rstrip(), width)


def _fit(before: str, marked: str, after: str, width: int) -> Excerpt:
    """Cut what does not fit, first behind the mark, then before it, then the mark itself."""
    if cells(before + marked) > width:
        room = max(8, width - cells(marked) - 1)
        if cells(before) > room:
            before = _ELLIPSIS + _last(before, room - 1)
    after = _first(after, width - cells(before + marked))
    marked = _first(marked, width - cells(before))
    return Excerpt(before + marked + after, cells(before), max(1, cells(marked)))


def _first(text: str, room: int) -> str:
    if cells(text) <= room:
        return text
    while text and cells(text) > max(0, room - 1):
        text = text[:-1]
    return text + _ELLIPSIS if room > 0 else ""


def _last(text: str, room: int) -> str:
    while text and cells(text) > room:
        text = text[1:]
    return text


def cells(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text
    )


def _printable(text: str) -> str:
    """No control characters: a file must not be able to move the cursor of whoever reads about it."""
    return "".join(c if c.isprintable() else _TAB if c == "\t" else "\N{REPLACEMENT CHARACTER}" for c in text)
