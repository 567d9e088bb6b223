"""A fleet of other code than this checkout's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.process.following import Following
from tests.running import RunningFleet


class Elsewhere(Following):
    """Run by `python`, which imports from `code` before anything else."""

    def __init__(self, folder: Path, text: str, app: str, *, python: Path, code: Path) -> None:
        super().__init__(folder, text, app, env={"PYTHONPATH": str(code)})
        self.python = str(python)

    def status(self) -> dict[str, Any]:
        """By the command of that code: not by this one's client."""
        return RunningFleet.status(self)
