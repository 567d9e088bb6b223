"""Lines too long for a terminal are broken between words, not wherever its edge is."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_COLOUR = re.compile(r"\x1b\[[\d;]*m")
# A command is to be copied whole.
_WORD = re.compile(r"(?:`[^`]*`|[^ ])+")
_VERBATIM = "  | "
"""How a line that quotes a log begins; the terminal may break it."""


def fold(lines: Iterable[str], width: int) -> Iterator[str]:
    """Each line in pieces of at most `width`, as far as its words allow; the others are indented by two more."""
    for line in lines:
        if _visible(line) <= width or _COLOUR.sub("", line).startswith(_VERBATIM):
            yield line
        else:
            yield from _pieces(line, width)


def _pieces(line: str, width: int) -> Iterator[str]:
    words = _WORD.findall(line)
    indent = len(line) - len(line.lstrip(" "))
    piece = " " * indent + words[0]
    for word in words[1:]:
        if _visible(piece) + 1 + _visible(word) <= width:
            piece += f" {word}"
        else:
            yield piece.rstrip()
            piece = " " * (indent + 2) + word
    yield piece


def _visible(text: str) -> int:
    return len(_COLOUR.sub("", text))
