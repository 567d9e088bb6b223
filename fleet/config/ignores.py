"""The findings that don't count: [lint] ignore, and `# fleet: ignore[FLT301] reason` at the end of a line."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from fleet.config.model import Lint
from fleet.config.spans import Comment, Spans
from fleet.diagnostics import Diagnostic, Edit, Fix, Span
from fleet.rules.registry import Rule, catalogue, rule_of
from fleet.rules.syntax import bare_ignore, unused_ignore

_COMMENT = re.compile(r"#\s*fleet:\s*ignore\[([A-Za-z0-9,\s]+)\].*")
# Meant as one, and without a code between brackets: it ignores nothing.
_BARE = re.compile(r"#\s*fleet:\s*ignore\b.*")
# (line, code): one code of one comment.
Used = set[tuple[int, str]]


class _Ignore(NamedTuple):
    comment: Comment
    match: re.Match[str]

    @property
    def line(self) -> int:
        return self.comment.span.line

    @property
    def codes(self) -> dict[str, tuple[int, int]]:
        """Each code with where it stands in the comment."""
        start = self.match.start(1)
        return {
            found.group().upper(): (start + found.start(), start + found.end())
            for found in re.finditer(r"\w+", self.match[1])
        }


def kept(found: Iterable[Diagnostic], ignored: Iterable[str], spans: Spans, used: Used) -> list[Diagnostic]:
    """What neither [lint] nor a comment on its line ignores; `used` gets what did.

    The file's own mistakes always count, and so does what keeps any fleet from running.
    """
    everywhere = set(ignored)
    on_line = {(each.line, code) for each in _ignores(spans) for code in each.codes}
    if not on_line and not everywhere:
        return list(found)
    return [
        each
        for each in found
        if not (
            _note(used, on_line & {(n, each.code) for n in _lines(each, spans)}) or each.code in everywhere
        )
        or rule_of(each.code).always_counts
    ]


def unused(spans: Spans, used: Used, lint: Lint) -> list[Diagnostic]:
    """Codes in comments that did nothing, and that would have done it anywhere."""
    if "FLT011" in lint.ignore:
        return []
    found = [
        _diagnostic(each, code, place, spans)
        for each in _ignores(spans)
        for code, place in each.codes.items()
        if (each.line, code) not in used and _is_noticed(code)
    ]
    wanted = lint.severity.get("FLT011")
    return [each._replace(severity=wanted or each.severity) for each in (*found, *_bare(spans))]


def _bare(spans: Spans) -> Iterator[Diagnostic]:
    rule: Rule = rule_of("FLT011")
    for comment in spans.comments:
        found = _BARE.search(comment.text)
        if found and not _COMMENT.search(comment.text):
            start = spans.offset(comment.span.line, comment.span.column)
            words = bare_ignore()
            span = spans.span(start + found.start(), start + found.end())
            yield Diagnostic(rule.code, rule.name, rule.severity, words.message, "", span, help=words.help)


def _is_noticed(code: str) -> bool:
    rule = catalogue().get(code)
    return rule is None or (rule.check is not None and not rule.varies)


def _note(used: Used, matching: Used) -> bool:
    used |= matching
    return bool(matching)


def _lines(diagnostic: Diagnostic, spans: Spans) -> set[int]:
    """The lines of a diagnostic, and the header of its table: a comment there is about the table as a whole."""
    own = range(diagnostic.span.line, diagnostic.span.end_line + 1)
    above = bisect_right(spans.headers, diagnostic.span.line)
    return {*own, *spans.headers[above - 1 : above]}


def _ignores(spans: Spans) -> Iterator[_Ignore]:
    for comment in spans.comments:
        if match := _COMMENT.search(comment.text):
            yield _Ignore(comment, match)


def _diagnostic(each: _Ignore, code: str, place: tuple[int, int], spans: Spans) -> Diagnostic:
    rule: Rule = rule_of("FLT011")
    line_start = spans.line_starts[each.line - 1]
    comment_start = line_start + each.comment.span.column - 1
    is_alone = not spans.text[line_start:comment_start].strip()
    words = unused_ignore(code, is_known=code in catalogue(), is_alone=is_alone)
    span = spans.span(comment_start + place[0], comment_start + place[1])
    edit = Edit(*_removal(each, code, comment_start, spans))
    return Diagnostic(
        rule.code, rule.name, rule.severity, words.message, "", span, help=words.help, fix=Fix(True, (edit,))
    )


def _removal(each: _Ignore, code: str, start: int, spans: Spans) -> tuple[Span, str]:
    """The code out of the list; with the last one the comment from `# fleet:` on, and the blanks before it."""
    if len(each.codes) > 1:
        left = ", ".join(other for other in each.codes if other != code)
        return spans.span(start + each.match.start(1), start + each.match.end(1)), left
    begin, end = start + each.match.start(), start + each.match.end()
    while begin and spans.text[begin - 1] in " \t":
        begin -= 1
    return spans.span(begin, end), ""
