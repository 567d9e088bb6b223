"""TOML 1.1 in a text that tomli (2.4 and later) has accepted: what TOML 1.0 does not allow.

Other tools that read the file (editors, pre-commit hooks, other languages) mostly know 1.0 only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fleet.config.spans import Spans
from fleet.diagnostics import Span
from fleet.rules.finding import Change, Finding, KeyPath, Rename
from fleet.rules.syntax import newer_toml
from fleet.rules.words import dotted

_ESCAPE = re.compile(r"\\(?:x(?P<hex>[0-9A-Fa-f]{2})|(?P<escape>e)|.)", re.DOTALL)
_SHORT_TIME = re.compile(r"(?:\d{4}-\d\d-\d\d[Tt ])?\d\d:\d\d(?!:)")


def newer_syntax(spans: Spans) -> Iterator[Finding]:
    """One finding per value or key. Paths are those of the file, not of merged data."""
    # Most files have none of it, and then there is nothing to walk through.
    if not _is_suspicious(spans.text):
        return
    for path, place in spans.places.items():
        for key in place.keys[:1]:
            yield from _in_key(path, spans.slice(key))
        if place.value is None:
            continue
        text = spans.slice(place.value)
        if text.startswith("{"):
            if not _inside_another(path, spans):
                yield from _in_table(path, place.value, spans)
        elif text.startswith('"'):
            yield from _in_string(path, text)
        elif _SHORT_TIME.match(text):
            yield _short_time(path, text)


def _is_suspicious(text: str) -> bool:
    return "{" in text or "\\x" in text or "\\e" in text or re.search(r"\d\d:\d\d", text) is not None


def _in_key(path: KeyPath, text: str) -> Iterator[Finding]:
    escape = _first_escape(text) if text.startswith('"') else None
    if escape:
        advice = _instead(escape)
        yield newer_toml(path, f"the escape `{escape}`", advice, (Rename(path, str(path[-1])),), part="key")


def _in_string(path: KeyPath, text: str) -> Iterator[Finding]:
    escape = _first_escape(text)
    if escape:
        plain = _ESCAPE.sub(_long_escape, text)
        yield newer_toml(
            path, f"the escape `{escape}`", _instead(escape), (Change(path, plain),), within=escape
        )


def _short_time(path: KeyPath, text: str) -> Finding:
    whole = _SHORT_TIME.sub(lambda match: match.group() + ":00", text, count=1)
    return newer_toml(path, "a time without seconds", f"write {whole}", (Change(path, whole),))


def _in_table(path: KeyPath, span: Span, spans: Spans) -> Iterator[Finding]:
    plain, what = _on_one_line(path, span, spans)
    if not what:
        return
    table = f"[{dotted(path)}]" if all(isinstance(part, str) for part in path) else "a table of its own"
    rest = ", without a comma behind the last key" if "a comma behind the last key" in what else ""
    advice = f"write {table}, with a line for each key" if plain is None else f"write it on one line{rest}"
    steps = (Change(path, plain),) if plain is not None else ()
    yield newer_toml(path, " and ".join(what), advice, steps)


def _on_one_line(path: KeyPath, span: Span, spans: Spans) -> tuple[str | None, list[str]]:
    """The inline table in TOML 1.0 (None: a comment would be lost), and what was newer in it."""
    start, end = spans.offset(span.line, span.column), spans.offset(span.end_line, span.end_column)
    inner = sorted(_values_in(path, spans), key=lambda each: each[1])
    newer: dict[str, None] = {}
    parts, at, commented = list[str](), start, False
    for other, value in inner:
        between = spans.text[at : spans.offset(value.line, value.column)]
        commented |= _has_comment(spans, at, at + len(between))
        if "\n" in between:
            newer["an inline table over several lines"] = None
        at = spans.offset(value.end_line, value.end_column)
        text: str | None = spans.slice(value)
        if text and text.startswith("{"):
            text, more = _on_one_line(other, value, spans)
            newer |= dict.fromkeys(more)
        commented |= text is None
        parts += [re.sub(r"\s*\n\s*", " ", between), text or ""]
    tail = spans.text[at:end]
    commented |= _has_comment(spans, at, end)
    if "\n" in tail:
        newer["an inline table over several lines"] = None
    if "," in _without_comments(spans, at, end):
        newer["a comma behind the last key"] = None
    closing = re.sub(r"[\s,]+", " ", tail) if inner else "{}"
    return (None if commented else "".join([*parts, closing])), list(newer)


def _values_in(path: KeyPath, spans: Spans) -> Iterator[tuple[KeyPath, Span]]:
    """Each `key = value` directly in the inline table at `path`, dotted keys included."""
    for other in spans.below.get(path, ()):
        value = spans.places[other].value
        if value is not None:
            yield other, value
        else:
            yield from _values_in(other, spans)


def _inside_another(path: KeyPath, spans: Spans) -> bool:
    """Whether an inline table around this one reports it: directly around it, not through an array."""
    for length in range(len(path) - 1, 0, -1):
        place = spans.places.get(path[:length])
        if place and place.value:
            return spans.slice(place.value).startswith("{")
    return False


def _has_comment(spans: Spans, start: int, end: int) -> bool:
    return bool(spans.comments_between(start, end))


def _without_comments(spans: Spans, start: int, end: int) -> str:
    text = spans.text[start:end]
    for comment in spans.comments_between(start, end):
        text = text.replace(comment.text, "", 1)
    return text


def _first_escape(text: str) -> str | None:
    return next((m.group() for m in _ESCAPE.finditer(text) if m["hex"] or m["escape"]), None)


def _instead(escape: str) -> str:
    return f"write {_ESCAPE.sub(_long_escape, escape)}, which every tool reads"


def _long_escape(match: re.Match[str]) -> str:
    if match["hex"]:
        return f"\\u00{match['hex']}"
    return "\\u001B" if match["escape"] else match.group()
