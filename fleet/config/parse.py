"""Text → data and places, or the one finding that it is not TOML."""

from __future__ import annotations

from typing import NamedTuple

import tomli

from fleet.config.document import Document
from fleet.config.source import Source
from fleet.config.spans import Spans, scan
from fleet.diagnostics import Diagnostic, Related, Span
from fleet.rules.registry import rule_of
from fleet.rules.syntax import invalid_toml

_UNCLOSED = {"Unclosed array": "a list", "Unclosed inline table": "a table"}
_TWICE = ("uplicate inline", "overwrite a value", "twice", "mutate immutable", "already defined")


class Parsed(NamedTuple):
    """A file that is TOML; `document` is as written: fork it before merging into it."""

    source: Source
    document: Document
    spans: Spans


def parse(source: Source) -> Parsed | Diagnostic:
    try:
        return Parsed(source, Document(tomli.loads(source.text)), scan(source.text))
    except tomli.TOMLDecodeError as error:
        return _located(source.text, error)
    except RecursionError:
        return _invalid("Values are nested too deep", 1, 1)


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
