"""Steps that mend a finding → edits of the text. A step that has no exact form gives no fix at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.config.document import Document
from fleet.config.spans import Place, Spans, lines_of
from fleet.config.toml import to_key
from fleet.diagnostics import Edit, Span
from fleet.rules.finding import Add, Change, Drop, KeyPath, Move, Rename, Step


class _Impossible(Exception):  # noqa: N818
    """The text leaves no plain place for the step."""


def edits(steps: Sequence[Step], spans: Spans, document: Document) -> tuple[Edit, ...]:
    """() when any of the steps can't be done."""
    try:
        return tuple(edit for step in steps for edit in _edits(step, spans, document))
    except _Impossible:
        return ()


def _edits(step: Step, spans: Spans, document: Document) -> Iterator[Edit]:
    path = document.origin(step.path)
    place = spans.places.get(path)
    match step:
        case Change(toml=toml):
            if place is None or place.value is None:
                raise _Impossible
            yield Edit(place.value, toml)
        case Rename(name=name):
            if place is None or not place.keys or (name != path[-1] and _is_taken(path, name, spans)):
                raise _Impossible
            yield from (Edit(span, to_key(name)) for span in place.keys)
        case Add(key=key, toml=toml):
            yield _added(place, spans, f"{to_key(key)} = {toml}")
        case Drop():
            yield _dropped(path, place, spans)
        case Move(before=before):
            yield from _moved(path, document.origin(before), spans)


def _is_taken(path: KeyPath, name: str, spans: Spans) -> bool:
    """Whether something stands already where the key, or anything below it, would be after a renaming."""
    below = (other[len(path) :] for other in spans.all_below(path))
    targets = (spans.places.get((*path[:-1], name, *rest)) for rest in below)
    return any(target is not None and (target.value or target.header) for target in targets)


def _added(place: Place | None, spans: Spans, line: str) -> Edit:
    if place and place.header:
        after = place.header.end_line + 1
        if after <= len(spans.line_starts):
            return Edit(Span(after, 1, after, 1), line + spans.newline)
        end = place.header
        return Edit(Span(end.end_line, end.end_column, end.end_line, end.end_column), spans.newline + line)
    if place and place.value and spans.slice(place.value).startswith("{"):
        start = place.value
        inner = spans.slice(start)[1:-1].strip()
        return Edit(
            Span(start.line, start.column + 1, start.line, start.column + 1),
            f" {line}," if inner else f" {line} ",
        )
    raise _Impossible


def _dropped(path: KeyPath, place: Place | None, spans: Spans) -> Edit:
    """All of it: a table with what stands in it, the lines of a key, or an element with its comma."""
    if place is None:
        raise _Impossible
    if place.header:
        return _lines(place.header.line, _last_line_below(path, spans), spans)
    if place.value is None:
        raise _Impossible
    parent = spans.places.get(path[:-1])
    if parent and parent.value:
        return _element(path, spans)
    if not place.keys:
        raise _Impossible
    return _lines(place.keys[-1].line, place.value.end_line, spans)


def _lines(first: int, last: int, spans: Spans) -> Edit:
    """A comment behind the last line goes, too: it was about what goes."""
    if last < len(spans.line_starts):
        return Edit(Span(first, 1, last + 1, 1), "")
    end = spans.span(len(spans.text), len(spans.text))
    return Edit(Span(first, 1, end.line, end.column), "")


def _last_line_below(path: KeyPath, spans: Spans) -> int:
    """Where the table at `path` ends; it must be in one piece. One blank line behind it belongs to it."""
    own = set(spans.all_below(path))
    inside = {line for each in own if each in spans.places for line in lines_of(spans.places[each])}
    first, last = min(inside), max(inside)
    if any(other not in own for line in range(first, last + 1) for other in spans.on_line.get(line, ())):
        raise _Impossible
    following = spans.line_starts[last : last + 2]
    return last + 1 if len(following) == 2 and not spans.text[slice(*following)].strip() else last


def _moved(path: KeyPath, before: KeyPath, spans: Spans) -> Iterator[Edit]:
    place, target = spans.places.get(path), spans.places.get(before)
    if not (place and place.header and target and target.header):
        raise _Impossible
    first, last = _first_comment_above(place.header.line, spans), _last_line_below(path, spans)
    goal = _first_comment_above(target.header.line, spans)
    gone = _lines(first, last, spans)
    text = spans.slice(gone.span).rstrip() + spans.newline * 2
    yield Edit(Span(goal, 1, goal, 1), text)
    yield gone


def _first_comment_above(line: int, spans: Spans) -> int:
    """The first line of the comments directly above."""
    while line - 1 in spans.comment_lines:
        line -= 1
    return line


def _element(path: KeyPath, spans: Spans) -> Edit:
    """Out of an array or an inline table, with the comma that parts it from its neighbour."""
    siblings, at = spans.below[path[:-1]], spans.position[path]
    own, before, after = (
        _bounds(siblings[index], spans) if 0 <= index < len(siblings) else None
        for index in (at, at - 1, at + 1)
    )
    assert own is not None
    span = Span(*own[:2], *after[:2]) if after else Span(*(before[2:] if before else own[:2]), *own[2:])
    start, end = spans.offset(span.line, span.column), spans.offset(span.end_line, span.end_column)
    if spans.comments_between(start, end):
        raise _Impossible
    return Edit(span, "")


def _bounds(path: KeyPath, spans: Spans) -> Span:
    """Where an element begins, with its key, and where it ends."""
    place = spans.places[path]
    if place.value is None:  # a dotted key: where the element begins is not known
        raise _Impossible
    start = place.keys[-1] if place.keys else place.value
    return Span(start.line, start.column, place.value.end_line, place.value.end_column)
