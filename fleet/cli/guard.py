"""The guard of the output: nothing that comes from outside steers the terminal of who looks.

Views make single values visible themselves, because only they know what belongs on one line; this is the
last guard behind all of them.
"""

from __future__ import annotations

import sys
from typing import IO, Any

from fleet.visible import visible_output


class GuardedStream:
    """A text stream whose `write` makes everything visible but our own colours."""

    def __init__(self, stream: IO[str]) -> None:
        self.unguarded = stream

    def write(self, text: str) -> int:
        return self.unguarded.write(visible_output(text))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.unguarded, name)


def guard_output() -> None:
    """Of this process, from now on."""
    sys.stdout = GuardedStream(sys.stdout)
    sys.stderr = GuardedStream(sys.stderr)


def write_exactly(text: str) -> None:
    """On stdout; a program that reads it gets every character, a person those that can be seen."""
    stream = sys.stdout
    if isinstance(stream, GuardedStream) and not stream.isatty():
        stream = stream.unguarded
    stream.write(text)
