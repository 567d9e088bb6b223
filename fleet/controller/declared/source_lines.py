"""The lines of fleet.toml in which a key stands, whichever table it comes from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fleet.config.spans import Spans


@dataclass(frozen=True, slots=True)
class Lines:
    """`spans` None: the file can't be read, so nothing is known."""

    spans: Spans | None
    env: str | None = None

    @classmethod
    def of(cls, file: Path, env: str | None) -> Lines:
        from fleet.config.load import Unreadable, read_source
        from fleet.config.spans import scan

        try:
            return cls(scan(read_source(file).text), env)
        except (Unreadable, ValueError, IndexError):
            return cls(None, env)

    def of_key(self, path: tuple[str, ...]) -> list[int]:
        """First and last line; [] when the key is not in the file (any more)."""
        for candidate in self._candidates(path):
            if found := self._lines(candidate):
                return found
        return []

    def header(self, group: str) -> list[int]:
        return self.of_key(("workers", group))

    def _candidates(self, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
        paths = [path]
        if path[0] == "workers" and len(path) > 2:
            paths.append(("defaults", *path[2:]))
        for each in paths:
            if self.env is not None:
                yield ("env", self.env, *each)
            yield each
        if path[0] == "workers" and "env" in path:
            yield ("fleet", "env_file")

    def _lines(self, path: tuple[str, ...]) -> list[int]:
        place = self.spans.places.get(path) if self.spans is not None else None
        span = place.span if place is not None else None
        return [span.line, span.end_line] if span is not None else []
