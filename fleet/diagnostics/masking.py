"""Passwords and tokens in the file, made unreadable before a line of it is shown to anybody.

Two kinds: what a URL holds, and what stands under a key that says so, whatever its type.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from fleet.broker_url.masking import MASK, cut, secret_spans
from fleet.secret_names import is_secret_in_place_of_path, is_secret_name, without_file

Cut = tuple[int, int]

_TYPOGRAPHY = "\u201c\u201d\u201e\u201f\u2018\u2019\u201a\u00ab\u00bb"  # of text programs
_KEY = re.compile(
    r"""(?:"([^"\n]+)"|'([^'\n]+)'|(?<![\w.-])([\w.-]++))["']?[ \t]*+(?:=|:(?=[ \t]*+["']))[ \t]*+"""
)
# At the start of a line and in { } is a key, whatever the language: `KEY: value`, `export KEY=value`, `KEY value`.
_PLACED_KEY = re.compile(
    rf"""(?:^[ \t]*+(?:(?:export|ENV|-)[ \t]++)?|((?<!\$)[{{,])[ \t]*+)"""
    rf"""(?:(["'])([\w.-]++)\2|[{_TYPOGRAPHY}]?([\w.-]++)[{_TYPOGRAPHY}]?)(?:[ \t]*[:=\uff1a]+[ \t]*+|[ \t]++)""",
    re.MULTILINE,
)
_DEFAULT = re.compile(r"\$\{(\w*)(:\?|:-|[^\w}\n])")
_URL_KEY = re.compile(
    r"""(?:^|[{,])[ \t]*+["']?(?:[\w.-]*[._])?url["']?[ \t]*[:=][ \t]*+""", re.MULTILINE | re.IGNORECASE
)
_URL = re.compile(r"[A-Za-z][\w+.\-]*://")
_REFERENCE = re.compile(r"\$\{\w+(?::[-?][^}\n]*)?\}")
_PLAIN_REFERENCES = re.compile(r"(?:\$\{\w+(?::\?[^}\n]*)?\})+")
_BARE_END = re.compile(r"[,\]}#\n]")
_LINE_END = re.compile(r"[ \t]#|\n")
_AFTER_TEXT = re.compile(r"[ \t]*(?:[,\]}#\r]|$)", re.MULTILINE)
_TOKEN = re.compile(r"\"\"\"|'''|\"(?:\\.|[^\"\\\n])*\"|'[^'\n]*'|#[^\n]*|[\[\]{}]")
_PLACEHOLDERS = ("PASSWORD", "…")  # in advice
# As HTTP's headers have it, wherever it stands: `Authorization: Bearer abc`.
_BEARER = re.compile(
    r"(?i)\bbearer[ \t]+([\w.~+/=-]{6,})"
    r"|\bauthori[sz]ation[\"']?[ \t]*[:=][ \t]*[\"']?(?:[a-z]{1,12}[ \t]+)?([\w.~+/=:-]{6,})"
)
# Whoever has the address may post there: what services call a webhook.
_HOOK = re.compile(r"(?i)https?://[^/\s]*(?:hook[^/\s]*/|/(?:[^\s?#]*/)?(?:web)?hooks?/)(.+)")
_HARMLESS_BARE = ("true", "false", "")


class Masked(NamedTuple):
    """A line without its secrets. `cuts`: (start, end) in the old line, 0-based, of what MASK replaces."""

    text: str
    cuts: tuple[Cut, ...]
    length: int
    """Of the old line."""

    def column(self, column: int) -> int:
        """Where a 0-based column of the old line is in `text`."""
        shift = 0
        for start, end in self.cuts:
            if column >= end:
                shift += len(MASK) - (end - start)
            elif column > start:
                return start + shift + min(column - start, len(MASK))
        return column + shift


def mask(line: str) -> Masked:
    """One line of a file. References to variables (`${PASSWORD}`) are no secrets, their defaults are."""
    return mask_lines([line])[0]


def mask_lines(lines: Sequence[str]) -> list[Masked]:
    """A file: a secret may go over several lines."""
    text = "\n".join(lines)
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    of_line: list[list[Cut]] = [[] for _ in lines]
    for start, end in _cuts(text, in_prose=False):
        number = bisect_right(starts, start) - 1
        while number < len(lines) and starts[number] < end:
            begin, length = starts[number], len(lines[number])
            piece = (max(start - begin, 0), min(end - begin, length))
            if piece[1] > piece[0]:
                of_line[number].append(piece)
            number += 1
    return [
        Masked(cut(line, cuts), tuple(cuts), len(line)) for line, cuts in zip(lines, of_line, strict=True)
    ]


def mask_prose(text: str) -> str:
    """A message: a URL in it ends where a word ends."""
    return cut(text, _cuts(text, in_prose=True))


def _cuts(text: str, *, in_prose: bool) -> list[Cut]:
    """Sorted and apart."""
    urls = [] if "://" not in text else list(_urls(text, in_prose=in_prose))
    cuts = [each for start, end in urls for each in _of_url(text, start, end)]
    cuts += [*_of_keys(text, urls, in_prose=in_prose), *_of_defaults(text), *_of_headers(text)]
    if not in_prose:
        cuts += [*_of_placed_keys(text), *_of_url_keys(text)]
    found = sorted(each for each in cuts if each[0] < each[1])
    apart: list[Cut] = []
    for start, end in found:
        if apart and start < apart[-1][1]:
            apart[-1] = (apart[-1][0], max(end, apart[-1][1]))
        elif not _PLAIN_REFERENCES.fullmatch(text[start:end]) and text[start:end] not in _PLACEHOLDERS:
            apart.append((start, end))
    return apart


def _of_keys(text: str, urls: Sequence[Cut], *, in_prose: bool) -> Iterator[Cut]:
    """What looks like a key inside a URL is a parameter."""
    done = 0
    for match in _KEY.finditer(text):
        if match.start() < done:
            continue  # in the value of another
        name = (match[1] or match[2] or match[3]).rpartition(".")[2]
        before = bisect_right(urls, (match.start(), len(text))) - 1
        if before >= 0 and match.start() < urls[before][1]:
            continue
        if is_secret_name(without_file(name)):
            start, done = _value(text, match.end(), _BARE_END, in_prose=in_prose)
            if is_secret_name(name) or is_secret_in_place_of_path(name, text[start:done]):
                yield start, done


def _of_placed_keys(text: str) -> Iterator[Cut]:
    done = 0
    for match in _PLACED_KEY.finditer(text):
        if match.start() >= done and is_secret_name((match[3] or match[4]).rpartition(".")[2]):
            end_of_bare = _BARE_END if match[1] else _LINE_END
            start, done = _value(text, match.end(), end_of_bare, in_prose=False)
            yield start, done


def _of_headers(text: str) -> Iterator[Cut]:
    for match in _BEARER.finditer(text):
        group = 1 if match[1] else 2
        yield match.span(group)


def has_header(text: str) -> bool:
    """Whether it holds what proves who one is, as headers of HTTP do."""
    return any(True for _ in _of_headers(text))


def _of_defaults(text: str) -> Iterator[Cut]:
    """What stands in `${PASSWORD:-here}`; and in `${ANY:here}`, which is no reference: nobody knows what it is."""
    for match in _DEFAULT.finditer(text):
        if match[2] != ":?" and (match[2] != ":-" or is_secret_name(match[1])):
            yield match.end(), min(_find(text, "}", match.end()), _find(text, "\n", match.end()))


def _of_url_keys(text: str) -> Iterator[Cut]:
    """A URL whose scheme was forgotten is known by its key alone."""
    for match in _URL_KEY.finditer(text):
        start, end = _value(text, match.end(), _LINE_END, in_prose=False)
        if "://" not in text[start:end]:
            yield from _of_url(text, start, end)


def _value(text: str, start: int, bare_end: re.Pattern[str], *, in_prose: bool) -> Cut:
    """What to cut of the value that begins there: of a text what is between its quotes, of others all."""
    for quotes in ('"""', "'''"):
        if text.startswith(quotes, start):
            end = text.find(quotes, start + 3)
            return start + 3, len(text) if end < 0 else end
    opened = text[start : start + 1]
    if opened in ('"', "'"):
        return start + 1, _end_of_text(text, start + 1, opened, in_prose=in_prose)
    if opened in ("[", "{"):
        return start, _end_of_brackets(text, start)
    found = bare_end.search(text, start)
    value = text[start : found.start() if found else len(text)].rstrip()
    if value in _HARMLESS_BARE:
        return start, start
    if value[0] in _TYPOGRAPHY:
        return start + 1, start + len(value.rstrip(_TYPOGRAPHY))
    return start, start + len(value)


def _end_of_text(text: str, start: int, quote: str, *, in_prose: bool) -> int:
    """Of a text on one line: before its closing quote, or the end of the line, as when the quote is part of it."""
    pattern = r'(?:\\.|[^"\\\n])*' if quote == '"' else r"[^'\n]*"
    found = re.compile(pattern).match(text, start)
    end = found.end() if found else start
    return end if in_prose or _AFTER_TEXT.match(text, end + 1) else _find(text, "\n", end)


def _end_of_brackets(text: str, start: int) -> int:
    depth, at = 0, start
    while found := _TOKEN.search(text, at):
        token, at = found.group(), found.end()
        if token in ('"""', "'''"):
            end = text.find(token, at)
            at = len(text) if end < 0 else end + 3
        elif token in ("[", "{", "]", "}"):
            depth += 1 if token in ("[", "{") else -1
            if depth == 0:
                return at
    return len(text)


def _urls(text: str, *, in_prose: bool) -> Iterator[Cut]:
    done = 0
    for match in _URL.finditer(text):
        if match.start() >= done:
            done = _end_of_url(text, match.start(), in_prose=in_prose)
            yield match.start(), done


def _of_url(text: str, start: int, end: int) -> Iterator[Cut]:
    # What a variable brings is not known: it is taken for a word that fits anywhere, a port included.
    plain = _REFERENCE.sub(lambda found: "1".rjust(len(found.group()), "0"), text[start:end])
    for begin, finish in secret_spans(plain):
        yield start + begin, start + finish
    if (hook := _HOOK.match(plain)) is not None:
        yield start + hook.start(1), start + hook.end(1)


def _end_of_url(text: str, start: int, *, in_prose: bool) -> int:
    line_start = text.rfind("\n", 0, start) + 1
    quote = _open_quote(text[line_start:start], in_prose=in_prose)
    if quote:
        end = _end_of_text(text, start, quote, in_prose=in_prose) if quote != "`" else _find(text, "`", start)
    elif in_prose:
        found = re.compile(r"[\s\"'`<>)]").search(text, start)
        end = found.start() if found else len(text)
    else:
        end = _find(text, "\n", start)
    if text[max(0, start - 2) : start] == ":-":  # the default of a variable
        closed = text.rfind("}", start, end)
        return end if closed < 0 else closed
    return end


def _open_quote(before: str, *, in_prose: bool) -> str:
    """The quote that is open at the end of `before`, the part of a line. In prose an apostrophe opens nothing."""
    if in_prose and before.endswith("'"):
        return "'"
    quote, escaped = "", False
    for character in before:
        if quote:
            if escaped:
                escaped = False
            elif character == "\\" and quote == '"':
                escaped = True
            elif character == quote:
                quote = ""
        elif character in ('"', "`") if in_prose else character in ('"', "'"):
            quote = character
    return quote


def _find(text: str, what: str, start: int) -> int:
    found = text.find(what, start)
    return len(text) if found < 0 else found
