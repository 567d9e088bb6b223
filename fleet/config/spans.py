"""The spans of each key and value in a TOML text that tomli has accepted: nothing is checked here.

`scan` walks the text once and gives {path: Place}; paths are those of the parsed data: keys as str,
positions in arrays as int.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from functools import cached_property
from typing import Any, NamedTuple

import tomli

from fleet.diagnostics import Span
from fleet.rules.finding import KeyPath

_BLANK = re.compile(r"(?:[ \t\r\n]+|(?P<comment>#[^\n]*))")
_STRING = re.compile(
    r'"""(?:\\.|[^\\])*?""""{0,2}|\'\'\'.*?\'\'\'\'{0,2}|"(?:\\.|[^"\\])*"|\'[^\']*\'', re.DOTALL
)
# A date and a time may be parted by one space.
_SCALAR = re.compile(r"\d{4}-\d\d-\d\d \d\d:[^\s,\]}#]+|[^\s,\]}#]+")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_EQUALS = re.compile(r"[ \t]*=[ \t]*")


class Place:
    """`keys`: where the key's own name stands, maybe often (headers, dotted keys). `header`: its [table].

    `value`: what stands behind the `=`, or an element of an array.
    """

    __slots__ = ("header", "keys", "value")

    def __init__(self) -> None:
        self.keys: list[Span] = []
        self.header: Span | None = None
        self.value: Span | None = None

    @property
    def span(self) -> Span | None:
        """What to point at for the thing as a whole."""
        return self.value or self.header or (self.keys[0] if self.keys else None)


class Comment(NamedTuple):
    """`text` without the newline, `#` included."""

    span: Span
    text: str


class Spans:
    """All places of one text; none as long as it was not scanned."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.line_starts = line_starts(text)
        self.places: dict[KeyPath, Place] = {}
        self.comments: list[Comment] = []

    @cached_property
    def below(self) -> dict[KeyPath, list[KeyPath]]:
        """Path → what stands directly under it, in the order of the text."""
        found: dict[KeyPath, list[KeyPath]] = {}
        for path in self.places:
            found.setdefault(path[:-1], []).append(path)
        return found

    @cached_property
    def position(self) -> dict[KeyPath, int]:
        """Path → its place among those that `below` has beside it."""
        return {path: index for paths in self.below.values() for index, path in enumerate(paths)}

    @cached_property
    def on_line(self) -> dict[int, list[KeyPath]]:
        """Line → what begins or ends on it, be it a header or a value."""
        found: dict[int, list[KeyPath]] = {}
        for path, place in self.places.items():
            for line in lines_of(place):
                found.setdefault(line, []).append(path)
        return found

    @cached_property
    def comment_lines(self) -> frozenset[int]:
        """Lines with nothing but a comment on them."""
        return frozenset(
            comment.span.line for comment in self.comments if not self._before(comment.span).strip()
        )

    def _before(self, span: Span) -> str:
        """What stands on the line before the span."""
        start = self.line_starts[span.line - 1]
        return self.text[start : start + span.column - 1]

    @cached_property
    def headers(self) -> list[int]:
        """The lines of [table] headers, sorted."""
        return sorted({place.header.line for place in self.places.values() if place.header})

    @cached_property
    def _comment_offsets(self) -> list[int]:
        return [self.offset(comment.span.line, comment.span.column) for comment in self.comments]

    def comments_between(self, start: int, end: int) -> list[Comment]:
        """The comments that begin at or behind the offset `start`, and before `end`."""
        offsets = self._comment_offsets
        return self.comments[bisect_left(offsets, start) : bisect_left(offsets, end)]

    @cached_property
    def newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def all_below(self, path: KeyPath) -> list[KeyPath]:
        """`path` itself and whatever is under it."""
        found = [path]
        for each in found:
            found += self.below.get(each, ())
        return found

    def span(self, start: int, end: int) -> Span:
        """The span of text[start:end]."""
        return Span(*self._position(start), *self._position(end))

    def offset(self, line: int, column: int) -> int:
        """Index into the text."""
        return self.line_starts[line - 1] + column - 1

    def slice(self, span: Span) -> str:
        start, end = (
            self.offset(span.line, span.column),
            self.offset(span.end_line, span.end_column),
        )
        return self.text[start:end]

    def _position(self, offset: int) -> tuple[int, int]:
        line = bisect_right(self.line_starts, offset)
        return line, offset - self.line_starts[line - 1] + 1


def scan(text: str) -> Spans:
    """Raises RecursionError on values nested hundreds deep."""
    spans = Spans(text)
    Scanner(spans).document()
    return spans


def lines_of(place: Place) -> tuple[int, ...]:
    """Where its header and its value begin and end."""
    return tuple(line for span in (place.header, place.value) if span for line in (span.line, span.end_line))


def line_starts(text: str) -> list[int]:
    """Where each line begins; the first is line 1."""
    return [0, *(match.end() for match in re.finditer("\n", text))]


class Scanner:
    """Walks the text once and fills in `spans`."""

    def __init__(self, spans: Spans) -> None:
        self.spans = spans
        self.text = spans.text
        self.at = 0
        self.arrays: dict[KeyPath, int] = {}  # arrays of tables → tables so far

    def document(self) -> None:
        table: KeyPath = ()
        while self.skip_blank():
            if self.text[self.at] == "[":
                table = self.table_header()
            else:
                self.pair(table)

    def skip_blank(self) -> bool:
        """To the next thing that means something; False at the end of the text."""
        while match := _BLANK.match(self.text, self.at):
            if match["comment"] is not None:
                text = match["comment"].rstrip("\r")
                self.spans.comments.append(Comment(self.spans.span(self.at, self.at + len(text)), text))
            self.at = match.end()
        return self.at < len(self.text)

    def table_header(self) -> KeyPath:
        start = self.at
        is_array = self.text.startswith("[[", self.at)
        self.at += 2 if is_array else 1
        self.skip_spaces()
        parts = self.key_parts()
        self.skip_spaces()
        self.at += 2 if is_array else 1
        path: KeyPath = ()
        for number, (name, span) in enumerate(parts):
            path = (*path, name)
            self.place(path).keys.append(span)
            if is_array and number == len(parts) - 1:
                self.arrays[path] = self.arrays.get(path, 0) + 1
            if path in self.arrays:
                path = (*path, self.arrays[path] - 1)
        self.place(path).header = self.spans.span(start, self.at)
        if is_array:
            self.place(path).keys.append(parts[-1][1])
        return path

    def pair(self, table: KeyPath) -> None:
        path = table
        for name, span in self.key_parts():
            path = (*path, name)
            self.place(path).keys.append(span)
        self.at = self.expect(_EQUALS).end()
        self.value(path)

    def key_parts(self) -> list[tuple[str, Span]]:
        parts: list[tuple[str, Span]] = []
        while True:
            start = self.at
            if self.text[self.at] in "\"'":
                self.at = self.expect(_STRING).end()
                name = str(_parse(self.text[start : self.at]))
            else:
                self.at = self.expect(_BARE_KEY).end()
                name = self.text[start : self.at]
            parts.append((name, self.spans.span(start, self.at)))
            if not (dot := _DOT.match(self.text, self.at)):
                return parts
            self.at = dot.end()

    def value(self, path: KeyPath) -> None:
        start = self.at
        match self.text[self.at]:
            case "[":
                self.array(path)
            case "{":
                self.inline_table(path)
            case '"' | "'":
                self.at = self.expect(_STRING).end()
            case _:
                self.at = self.expect(_SCALAR).end()
        self.place(path).value = self.spans.span(start, self.at)

    def array(self, path: KeyPath) -> None:
        index = 0
        while self.next_item("]"):
            self.value((*path, index))
            index += 1

    def inline_table(self, path: KeyPath) -> None:
        while self.next_item("}"):
            self.pair(path)

    def next_item(self, closing: str) -> bool:
        """Past the opening bracket or the comma, to the next item; False past the closing bracket."""
        if self.text[self.at] in "[{":
            self.at += 1
        self.skip_blank()
        if self.text[self.at] == ",":
            self.at += 1
            self.skip_blank()
        if self.text[self.at] == closing:
            self.at += 1
            return False
        return True

    def skip_spaces(self) -> None:
        while self.text[self.at] in " \t":
            self.at += 1

    def place(self, path: KeyPath) -> Place:
        return self.spans.places.setdefault(path, Place())

    def expect(self, pattern: re.Pattern[str]) -> re.Match[str]:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise AssertionError(f"tomli accepted what the scanner does not know, at offset {self.at}")
        return match


def _parse(toml: str) -> Any:
    return tomli.loads(f"x = {toml}")["x"]
