"""Text → data and places, or the one finding that it is not TOML."""

from __future__ import annotations

from typing import NamedTuple

import tomli

from fleet.config.document import Document
from fleet.config.source import Source
from fleet.config.spans import Spans, scan
from fleet.diagnostics import Diagnostic, Span
from fleet.rules.registry import catalogue
from fleet.rules.syntax import invalid_toml


class Parsed(NamedTuple):
    """A file that is TOML; `document` is as written: fork it before merging into it."""

    source: Source
    document: Document
    spans: Spans


def parse(source: Source) -> Parsed | Diagnostic:
    try:
        return Parsed(source, Document(tomli.loads(source.text)), scan(source.text))
    except tomli.TOMLDecodeError as error:
        lines = source.text.split("\n")
        return _invalid(error.msg, error.lineno, error.colno, lines[min(error.lineno, len(lines)) - 1])
    except RecursionError:
        return _invalid("Values are nested too deep", 1, 1)


def _invalid(reason: str, line: int, column: int, text: str = "") -> Diagnostic:
    finding = invalid_toml(reason[:1].lower() + reason[1:], text, column)
    rule = catalogue()[finding.code]
    span = Span(line, column, line, column + 1)
    return Diagnostic(rule.code, rule.name, rule.severity, finding.message, "", span, help=finding.help)
