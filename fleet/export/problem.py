"""The problems of a target: what it can't express, or only in part, said with the key in fleet.toml."""

from __future__ import annotations

from typing import NamedTuple

from fleet.diagnostics import Severity
from fleet.rules.finding import KeyPath


class Problem(NamedTuple):
    """An error leaves the key out of what is written, and something would not run as the file says."""

    path: KeyPath
    text: str
    help: str | None = None
    severity: Severity = "error"
