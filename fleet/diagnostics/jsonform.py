"""Findings as JSON, for scripts: the shape is part of the contract."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fleet.diagnostics.masked import masked
from fleet.diagnostics.model import Diagnostic, Fix, Span


def render(found: Sequence[Diagnostic], name: str) -> str:
    """One object; `name` is the file's."""
    report = {
        "file": name,
        "errors": sum(each.severity == "error" for each in found),
        "warnings": sum(each.severity == "warning" for each in found),
        "diagnostics": [as_dict(each) for each in found],
    }
    return json.dumps(report, indent=2, ensure_ascii=False) + "\n"


def as_dict(found: Diagnostic) -> dict[str, Any]:
    found = masked(found)
    return {
        "code": found.code,
        "name": found.name,
        "severity": found.severity,
        "message": found.message,
        "path": found.path,
        **_span(found.span),
        "label": found.label,
        "help": found.help,
        "notes": list(found.notes),
        "related": [{**_span(each.span), "label": each.label} for each in found.related],
        "environments": list(found.environments),
        "fix": _fix(found.fix) if found.fix else None,
    }


def _fix(fix: Fix) -> dict[str, Any]:
    return {"safe": fix.safe, "edits": [{**_span(edit.span), "text": edit.text} for edit in fix.edits]}


def _span(span: Span) -> dict[str, int]:
    return {
        "line": span.line,
        "column": span.column,
        "end_line": span.end_line,
        "end_column": span.end_column,
    }
