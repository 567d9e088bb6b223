"""Lines too long for a terminal are broken between words, not wherever its edge is."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator

from fleet.cli.options import columns

_COLOUR = re.compile(r"\x1b\[[\d;]*m")
# A command is to be copied whole.
_WORD = re.compile(r"(?:`[^`]*`|[^ ])+")
_VERBATIM = "  | "
"""How a line that quotes a log begins; the terminal may break it."""


_UNBROKEN = 100_000


def terminal_width() -> int:
    """Columns of stdout; what goes into a pipe is looked through line by line, and not broken."""
    return columns(100) if sys.stdout.isatty() else _UNBROKEN


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
