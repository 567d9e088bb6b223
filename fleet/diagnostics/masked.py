"""A finding that may be shown to anybody: no secret is left in any of its words."""

from __future__ import annotations

from fleet.diagnostics.model import Diagnostic
from fleet.diagnostics.secrets import mask


def masked(found: Diagnostic) -> Diagnostic:
    """Edits stay as they are: what they write is ours, never what stood in the file."""
    return found._replace(
        message=_clean(found.message),
        label=_clean(found.label) if found.label else None,
        help=_clean(found.help) if found.help else None,
        notes=tuple(_clean(note) for note in found.notes),
        related=tuple(each._replace(label=_clean(each.label)) for each in found.related),
    )


def _clean(text: str) -> str:
    return mask(text).text
