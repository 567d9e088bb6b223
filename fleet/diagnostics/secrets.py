"""Passwords and tokens in a line of the file, made unreadable before the line is shown to anybody."""

from __future__ import annotations

import re
from typing import NamedTuple

MASK = "***"

_URL_PASSWORD = re.compile(r"://[^/@\s:\"']*:(?P<secret>[^/@\s\"']+)@")
_KEYED = re.compile(
    r"(?i)[\w-]*(?:passw(?:or)?d|secret|token|credential|api_?key|private_?key|access_?key|auth_?key)[\w-]*"
    r"(?P<after>[\"']?\s*=\s*)(?P<quote>[\"'])(?P<secret>.*?)(?P=quote)"
)
_FILE_KEY = re.compile(r"(?i)_file[\"']?\s*=")


class Masked(NamedTuple):
    """A line without its secrets. `cuts`: (start, end) in the old line, 0-based, of what MASK replaces."""

    text: str
    cuts: tuple[tuple[int, int], ...]

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
    """References to variables (`${PASSWORD}`) are no secrets, their defaults are."""
    cuts: list[tuple[int, int]] = []
    for pattern in (_URL_PASSWORD, _KEYED):
        for match in pattern.finditer(line):
            start, end = match.span("secret")
            is_free = all(end <= cut[0] or start >= cut[1] for cut in cuts)
            if end > start and is_free and not _is_harmless(match):
                cuts.append((start, end))
    cuts.sort()
    text, done = "", 0
    for start, end in cuts:
        text, done = text + line[done:start] + MASK, end
    return Masked(text + line[done:], tuple(cuts))


def _is_harmless(match: re.Match[str]) -> bool:
    is_reference = re.fullmatch(r"\$\{\w+\}", match["secret"]) is not None
    return is_reference or _FILE_KEY.search(match.group()) is not None
