"""The file's data while it is being made definite, and where each part of it was written.

Layers are merged and mistakes repaired in place; `origin` leads any path in the merged data back to the
path in the file. A path is *poisoned* when the value there is a stand-in for one that was wrong: checks
that read it keep quiet.
"""

from __future__ import annotations

import copy
from typing import Any

from fleet.rules.finding import KeyPath


class Document:
    """`written`: what stood in the file where ${VAR} was replaced. `poisoned`: paths in the merged data. `guessed`:
    those of values in which something is made up that no check asks for: enough to judge by, but not to go by.
    """

    def __init__(self, data: dict[str, Any]) -> None:
        self.data = data
        self.origins: dict[KeyPath, KeyPath] = {}
        self._below: dict[KeyPath, set[KeyPath]] = {}  # a path → those of `origins` under it
        self.written: dict[KeyPath, str] = {}
        self.poisoned: set[KeyPath] = set()
        self.guessed: set[KeyPath] = set()

    def fork(self) -> Document:
        """An independent copy."""
        return copy.deepcopy(self)

    def origin(self, path: KeyPath) -> KeyPath:
        """The path in the file of what is now at `path`."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]] + path[length:]
        return path

    def get(self, path: KeyPath, default: Any = None) -> Any:
        node: Any = self.data
        for part in path:
            try:
                node = node[part]
            except (KeyError, IndexError, TypeError):
                return default
        return node

    def has(self, path: KeyPath) -> bool:
        missing = object()
        return self.get(path, missing) is not missing

    def put(self, path: KeyPath, value: Any, *, origin: KeyPath | None = None) -> None:
        """Set a value; tables on the way are made. `origin`: where it was written, when that is elsewhere."""
        node: Any = self.data
        for part in path[:-1]:
            node = node.setdefault(part, {}) if isinstance(node, dict) else node[part]
        node[path[-1]] = value
        if origin is not None:
            self.put_origin(path, origin)

    def put_origin(self, path: KeyPath, origin: KeyPath) -> None:
        """Say where the file has what is at `path`; the value stays."""
        self.origins[path] = origin
        for length in range(len(path)):
            self._below.setdefault(path[:length], set()).add(path)

    def _forget_origins_below(self, path: KeyPath) -> None:
        for old in self._below.pop(path, ()):
            self.origins.pop(old, None)

    def drop(self, path: KeyPath) -> Any:
        """Take out what is at `path` and return it."""
        parent = self.get(path[:-1]) if len(path) > 1 else self.data
        return parent.pop(str(path[-1]), None) if isinstance(parent, dict) else None

    def rename(self, path: KeyPath, name: str) -> None:
        """Give a key its right name; two tables become one. A value already under that name stays."""
        origin, value = self.origin(path), self.drop(path)
        target = (*path[:-1], name)
        self.merge(target, value, origin, override=False)

    def merge(self, path: KeyPath, value: Any, origin: KeyPath, *, override: bool) -> None:
        """Lay `value` over (or, without `override`, under) what is at `path`. Tables are merged by key."""
        present = self.get(path)
        if isinstance(present, dict) and isinstance(value, dict):
            for key, item in value.items():
                self.merge((*path, key), item, (*origin, key), override=override)
        elif override or not self.has(path):
            self.put(path, copy.deepcopy(value), origin=origin)
            self._forget_origins_below(path)
