"""What a check says: about which keys, in which words, how to mend it. Lines come later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from fleet.diagnostics import Severity

KeyPath = tuple[str | int, ...]
Part = Literal["whole", "key"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A second place: the value (or table) at `path`, or only its key."""

    path: KeyPath
    label: str
    part: Part = "whole"


@dataclass(frozen=True, slots=True)
class Change:
    """Write `toml` in the place of the value at `path`."""

    path: KeyPath
    toml: str


@dataclass(frozen=True, slots=True)
class Rename:
    """Give the key at `path` another name, wherever it stands."""

    path: KeyPath
    name: str


@dataclass(frozen=True, slots=True)
class Add:
    """Write `key = toml` into the table at `path`."""

    path: KeyPath
    key: str
    toml: str


@dataclass(frozen=True, slots=True)
class Drop:
    """Take the key at `path` out, its value and all."""

    path: KeyPath


@dataclass(frozen=True, slots=True)
class Move:
    """Put the table at `path`, with the comments above it, before the table at `before`."""

    path: KeyPath
    before: KeyPath


Step = Change | Rename | Add | Drop | Move


@dataclass(frozen=True, slots=True)
class Finding:
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
