"""A finding that may be shown to anybody: no secret is left in any of its words."""

from __future__ import annotations

from fleet.diagnostics.masking import mask_lines, mask_prose
from fleet.diagnostics.model import Diagnostic, Fix
from fleet.secret_names import is_secret_name


def masked(found: Diagnostic) -> Diagnostic:
    """An edit that writes a secret anew is left out: `--fix` makes it, a report must not hold it."""
    return found._replace(
        message=mask_prose(found.message),
        label=mask_prose(found.label) if found.label else None,
        help=mask_prose(found.help) if found.help else None,
        notes=tuple(mask_prose(note) for note in found.notes),
        related=tuple(each._replace(label=mask_prose(each.label)) for each in found.related),
        fix=None if found.fix and _has_secret(found, found.fix) else found.fix,
    )


def _has_secret(found: Diagnostic, fix: Fix) -> bool:
    if any(is_secret_name(part) for part in found.path.replace("[", ".").split(".")):
        return any(edit.text for edit in fix.edits)
    return any(line.cuts for edit in fix.edits for line in mask_lines(edit.text.split("\n")))
