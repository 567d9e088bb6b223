"""The finding of a check: about which keys, in which words, how to mend it. Lines come later."""

from __future__ import annotations

from typing import Literal, NamedTuple

from fleet.diagnostics import Severity

KeyPath = tuple[str | int, ...]
Part = Literal["whole", "key"]


class Mark(NamedTuple):
    """A second place: the value (or table) at `path`, or only its key."""

    path: KeyPath
    label: str
    part: Part = "whole"


class Change(NamedTuple):
    """Write `toml` in the place of the value at `path`."""

    path: KeyPath
    toml: str


class Rename(NamedTuple):
    """Give the key at `path` another name, wherever it stands."""

    path: KeyPath
    name: str


class Add(NamedTuple):
    """Write `key = toml` into the table at `path`."""

    path: KeyPath
    key: str
    toml: str


class Drop(NamedTuple):
    """Take the key at `path` out, its value and all."""

    path: KeyPath


class Move(NamedTuple):
    """Put the table at `path`, with the comments above it, before the table at `before`."""

    path: KeyPath
    before: KeyPath


Step = Change | Rename | Add | Drop | Move


class Finding(NamedTuple):
    """`path` is the key it is about; what is not there is shown at its table.

    `within` narrows the mark to this text inside the value. `about`: further tables (path prefixes) whose
    settings went into it. `severity`: when other than the rule's. `steps` mend it; `safe` if they can't
    be wrong.
    """

    path: KeyPath
    message: str
    label: str | None = None
    help: str | None = None
    notes: tuple[str, ...] = ()
    related: tuple[Mark, ...] = ()
    about: tuple[KeyPath, ...] = ()
    part: Part = "whole"
    within: str | None = None
    steps: tuple[Step, ...] = ()
    safe: bool = False
    severity: Severity | None = None
    code: str = ""
