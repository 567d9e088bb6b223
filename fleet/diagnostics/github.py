"""Workflow commands of GitHub Actions: each finding becomes an annotation on its line of the pull request.

Format: https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Sequence

from fleet.diagnostics import concise
from fleet.diagnostics.masked import masked
from fleet.diagnostics.model import Diagnostic

_COMMANDS = {"error": "error", "warning": "warning", "info": "notice"}


def render(found: Sequence[Diagnostic], name: str) -> str:
    """`name` must be relative to the root of the repository."""
    return "".join(f"{_command(masked(each), name)}\n" for each in found)


def _command(found: Diagnostic, name: str) -> str:
    span = found.span
    place = {"file": name, "line": span.line, "endLine": span.end_line}
    if span.line == span.end_line:  # GitHub takes columns only within one line
        place |= {"col": span.column, "endColumn": max(span.column, span.end_column - 1)}
    properties = {**place, "title": f"{found.code} {found.name}"}
    listed = ",".join(f"{key}={_property(str(value))}" for key, value in properties.items())
    # The log of the job shows the text alone, so the place is in it, too.
    text = concise.line(found, name) + (f"\nhelp: {found.help}" if found.help else "")
    return f"::{_COMMANDS[found.severity]} {listed}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
