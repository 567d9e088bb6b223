"""Task name → queue by the rules of fleet.toml: the first that matches wins. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import translate

from fleet.spec import RouteSpec


class Unroutable(LookupError):  # noqa: N818
    """No rule matches a task's name; the text lists the rules and says where they stand."""


@dataclass(frozen=True, slots=True)
class Match:
    """The rule that takes a task: `index` counts [[routes]] from 0, `pattern` is the glob that matched."""

    index: int
    pattern: str
    queue: str
    priority: int | None


class Router:
    """Globs are compiled once, and what has been asked once is remembered."""

    def __init__(self, routes: Sequence[RouteSpec]) -> None:
        self._rules = [
            (re.compile(translate(pattern)), Match(index, pattern, route.queue, route.priority))
            for index, route in enumerate(routes)
            for pattern in route.patterns
        ]
        self._known: dict[str, Match | None] = {}

    def match(self, task: str) -> Match | None:
        if task not in self._known:
            self._known[task] = next((match for regex, match in self._rules if regex.match(task)), None)
        return self._known[task]

    def route(self, task: str, *, source: str) -> Match:
        """As `match`, but raises Unroutable. `source` names the file for the error."""
        found = self.match(task)
        if found is None:
            patterns = ", ".join(f'"{match.pattern}"' for _, match in self._rules) or "none at all"
            raise Unroutable(
                f"no rule takes task {task!r}; [[routes]] in {source} match: {patterns}. "
                'Add a rule, or a catch-all task = "*" at the end'
            )
        return found
