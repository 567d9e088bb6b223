"""Finding → Diagnostic: from keys of the merged data to lines and columns of the file."""

from __future__ import annotations

from fleet.config.document import Document
from fleet.config.edits import edits
from fleet.config.spans import Place, Spans
from fleet.diagnostics import Diagnostic, Fix, Related, Severity, Span
from fleet.rules.finding import Add, Change, Finding, KeyPath, Part, Step
from fleet.rules.registry import Rule
from fleet.rules.words import dotted


def locate(
    finding: Finding, rule: Rule, spans: Spans, document: Document, severity: Severity | None = None
) -> Diagnostic:
    """`severity`: what [lint] says; it goes before the finding's own and the rule's."""
    path = document.origin(finding.path)
    mending = edits(_own(finding, rule, document), spans, document)
    return Diagnostic(
        code=finding.code,
        name=rule.name,
        severity=severity or finding.severity or rule.severity,
        message=finding.message,
        path=dotted(path),
        span=_span(path, spans, finding.part, finding.within),
        label=finding.label,
        help=finding.help,
        notes=finding.notes,
        fix=Fix(finding.safe, mending) if mending else None,
        related=tuple(
            Related(_span(document.origin(mark.path), spans, mark.part), mark.label)
            for mark in finding.related
        ),
    )


def _own(finding: Finding, rule: Rule, document: Document) -> tuple[Step, ...]:
    """The steps as they concern this table alone: what it inherits from [defaults] is set in it, not there, where
    other groups have it, too. A mistake of syntax in [defaults] is mended there.
    """
    if rule.check is None and not rule.on_request:
        return finding.steps
    own: list[Step] = []
    for step in finding.steps:
        is_inherited = document.origin(step.path)[:1] == ("defaults",) and step.path[:1] != ("defaults",)
        if is_inherited and isinstance(step, Change) and len(step.path) == len(("workers", "http", "pool")):
            own.append(Add(step.path[:-1], str(step.path[-1]), step.toml))
        elif is_inherited:
            return ()
        else:
            own.append(step)
    return tuple(own)


def _span(path: KeyPath, spans: Spans, part: Part, within: str | None = None) -> Span:
    """Where `path` stands, or else the nearest table around it; the start of the file at last."""
    for length in range(len(path), 0, -1):
        place = spans.places.get(path[:length])
        if place is None or place.span is None:
            continue
        if part == "key" and length == len(path) and place.keys:
            return place.keys[0]
        is_inside_list = length < len(path) and isinstance(path[length], int)
        if length < len(path) and not is_inside_list and place.header is None and place.keys:
            return place.keys[0]  # an inline table: its name says enough
        return _narrowed(place, spans, within) if within else place.span
    return Span(1, 1, 1, 1)


def _narrowed(place: Place, spans: Spans, within: str) -> Span:
    whole = place.span
    assert whole is not None
    found = spans.slice(whole).find(within)
    if found < 0:
        return whole
    start = spans.offset(whole.line, whole.column) + found
    return spans.span(start, start + len(within))
