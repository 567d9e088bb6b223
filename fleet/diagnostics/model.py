"""The values of a diagnosis: what a check found, and where; the renderers print them and `--fix` applies them."""

from __future__ import annotations

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "info"]


class Span(NamedTuple):
    """A stretch of the file. Lines and columns are 1-based, columns in characters; the end is exclusive."""

    line: int
    column: int
    end_line: int
    end_column: int


class Related(NamedTuple):
    """A second place that has to do with the finding, and what it has to do with it."""

    span: Span
    label: str


class Edit(NamedTuple):
    """Replace what stands at `span` by `text`; an empty span inserts."""

    span: Span
    text: str


class Fix(NamedTuple):
    """Edits that belong together. `safe`: they can't change what a correct file means."""

    safe: bool
    edits: tuple[Edit, ...]


class Diagnostic(NamedTuple):
    """One finding. `path` is the dotted key it is about ("workers.http"); `environments`: only there."""

    code: str
    name: str
    severity: Severity
    message: str
    path: str
    span: Span
    label: str | None = None
    help: str | None = None
    notes: tuple[str, ...] = ()
    fix: Fix | None = None
    related: tuple[Related, ...] = ()
    environments: tuple[str, ...] = ()
