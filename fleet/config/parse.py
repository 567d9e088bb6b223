"""Text → data and places, or the one finding that it is not TOML."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import tomli

from fleet.config.document import Document
from fleet.config.source import Source
from fleet.config.spans import Spans, scan
from fleet.diagnostics import Diagnostic, Related, Span
from fleet.rules.registry import rule_of
from fleet.rules.syntax import invalid_toml

_LONG = re.compile(r"\w{18}")
_INTEGER = re.compile(r"[+-]?(?:0x[0-9A-Fa-f_]+|0o[0-7_]+|0b[01_]+|[0-9_]+)")
_UNCLOSED = {"Unclosed array": "a list", "Unclosed inline table": "a table"}
_TWICE = ("uplicate inline", "overwrite a value", "twice", "mutate immutable", "already defined")


class Parsed(NamedTuple):
    """A file that is TOML; `document` is as written: fork it before merging into it."""

    source: Source
    document: Document
    spans: Spans


def parse(source: Source) -> Parsed | Diagnostic:
    data: dict[str, Any] | None = None
    try:
        try:
            data = tomli.loads(source.text)
        except tomli.TOMLDecodeError as error:
            return _located(source.text, error)
        except ValueError:
            pass  # more digits than Python reads
        spans = scan(source.text)
    except RecursionError:
        return _invalid("Values are nested too deep", 1, 1)
    if (place := _too_large(spans)) or data is None:
        return _invalid("a whole number above 64 bits", *(place or (1, 1)))
    return Parsed(source, Document(data), spans)


def _too_large(spans: Spans) -> tuple[int, int] | None:
    """Where an integer stands that is beyond what TOML promises, and that Python may not even print."""
    if not _LONG.search(spans.text):
        return None
    for place in spans.places.values():
        text = spans.slice(place.value) if place.value else ""
        if place.value and _INTEGER.fullmatch(text) and not _fits(text):
            return place.value.line, place.value.column
    return None


def _fits(integer: str) -> bool:
    return len(integer) < 200 and -(2**63) <= int(integer, 0) < 2**63


def _located(text: str, error: tomli.TOMLDecodeError) -> Diagnostic:
    """Where the mistake was made, which is often before the place where the parser saw it."""
    from fleet.config.wrong_text import open_bracket, open_text, position, twice

    opened = open_text(text)
    if opened is not None and opened < error.pos:
        line, column = position(text, opened)
        return _invalid("a text that begins here is not closed", line, column, lines_of(text, line))
    if error.msg in _UNCLOSED and (opened := open_bracket(text, error.pos)) is not None:
        line, column = position(text, opened)
        return _invalid(
            f"{_UNCLOSED[error.msg]} that begins here is not closed", line, column, lines_of(text, line)
        )
    if any(words in error.msg for words in _TWICE) and (both := twice(text)):
        second, first = both
        reason = f"{error.msg} (first in line {first.line})" if first.line != second.line else error.msg
        found = _invalid(reason, second.line, second.column, lines_of(text, second.line))
        return found._replace(span=second, related=(Related(first, "the first one"),))
    return _invalid(error.msg, error.lineno, error.colno, lines_of(text, error.lineno))


def lines_of(text: str, line: int) -> str:
    """The text of that line; of the last one for a line behind the end."""
    lines = text.split("\n")
    return lines[min(line, len(lines)) - 1]


def _invalid(reason: str, line: int, column: int, text: str = "") -> Diagnostic:
    finding = invalid_toml(reason[:1].lower() + reason[1:], text, column)
    rule = rule_of(finding.code)
    span = Span(line, column, line, column + 1)
    return Diagnostic(rule.code, rule.name, rule.severity, finding.message, "", span, help=finding.help)
