"""Data → Fleet. Right data needs no more than the models; for the rest there is fleet.config.repair."""

from __future__ import annotations

from pathlib import Path

from fleet.config.document import Document
from fleet.config.model import Fleet
from fleet.rules.finding import Finding

_MOST_ROUNDS = 20


def build(document: Document, folder: Path) -> tuple[Fleet | None, list[Finding]]:
    """The fleet, repaired where need be, and a finding for each repair. None if that does not converge."""
    findings: list[Finding] = []
    for _ in range(_MOST_ROUNDS):
        try:
            return Fleet.read(document.data).located(folder, document.written), findings
        except ValueError:
            from fleet.config.repair import repair  # with pydantic, which takes long to load

            findings += repair(document)
    return None, findings
