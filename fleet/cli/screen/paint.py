"""Colours within a line of the screen: put in as terminals know them, and taken apart again for curses. Pure.

All other text has been made visible before it is painted: an escape in a line is one of these.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

CODES = {
    "bad": "31",
    "red": "31",
    "good": "32",
    "green": "32",
    "warn": "33",
    "yellow": "33",
    "dim": "2",
    "head": "1",
    "bold": "1",
    "chosen": "7",
}
"""By role, as the views name them; what is not here has no colour."""

_COLOUR = re.compile(r"\x1b\[(\d*)m")


def paint(text: str, role: str) -> str:
    return f"\x1b[{CODES[role]}m{text}\x1b[0m" if role in CODES else text


def bare(line: str) -> str:
    return _COLOUR.sub("", line)


def spans(line: str, width: int) -> Iterator[tuple[str, str]]:
    """(code, text) of what fits into `width` columns; code "" is plain."""
    left, code = width, ""
    for index, part in enumerate(_COLOUR.split(line)):
        if index % 2:
            code = "" if part == "0" else part
            continue
        text = _fitting(part, left)
        left -= columns(text)
        if text:
            yield code, text
        if len(text) < len(part):
            return


def columns(text: str) -> int:
    """On a screen: wide characters take two, combining ones none."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def _fitting(text: str, width: int) -> str:
    if columns(text) <= width:
        return text
    taken = 0
    for index, character in enumerate(text):
        taken += _columns(character)
        if taken > width:
            return text[:index]
    return text


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
