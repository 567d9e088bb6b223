"""Log lines on a terminal: `http/0 | text`, each group in a colour of its own."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import TextIO

import click

from fleet.cli.options import coloured
from fleet.log_files import Line
from fleet.slot_names import group_of
from fleet.visible import visible_lines

_COLOURS = ("cyan", "green", "yellow", "magenta", "blue", "bright_cyan", "bright_green", "bright_magenta")
_NARROWEST = 10


class LogPrinter:
    """The prefix grows with the longest slot seen so far. Raises BrokenPipeError when nobody reads any
    more.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._coloured = coloured(stream)
        self._width = _NARROWEST

    def print(self, lines: Iterable[Line]) -> bool:
        """Write them in one go. Whether there were any."""
        # Each is one line already; its tabs may stay.
        text = "".join(f"{self._prefix(line.slot)} {visible_lines(line.text)}\n" for line in lines)
        if text:
            encoding = self._stream.encoding or "utf-8"
            self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
            self._stream.flush()
        return bool(text)

    def _prefix(self, slot: str) -> str:
        self._width = max(self._width, len(slot))
        prefix = f"{slot:<{self._width}} |"
        if not self._coloured:
            return prefix
        # By its name, so that a group keeps its colour over restarts and in every terminal.
        group = group_of(slot) or slot
        return click.style(prefix, fg=_COLOURS[zlib.crc32(group.encode()) % len(_COLOURS)])
