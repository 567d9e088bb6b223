"""GitLab's code quality report: findings in the merge request.

Format: https://docs.gitlab.com/ci/testing/code_quality/#code-quality-report-format
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any

from fleet.diagnostics.masked import masked
from fleet.diagnostics.model import Diagnostic

_SEVERITIES = {"error": "critical", "warning": "minor", "info": "info"}


def render(found: Sequence[Diagnostic], name: str) -> str:
    """`name` must be relative to the root of the repository."""
    seen: dict[str, int] = {}
    entries = [_entry(masked(each), name, seen) for each in found]
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def _entry(found: Diagnostic, name: str, seen: dict[str, int]) -> dict[str, Any]:
    return {
        "description": f"{found.code}: {found.message}",
        "check_name": found.name,
        "fingerprint": _fingerprint(found, name, seen),
        "severity": _SEVERITIES[found.severity],
        "location": {
            "path": name,
            "positions": {
                "begin": {"line": found.span.line, "column": found.span.column},
                "end": {"line": found.span.end_line, "column": found.span.end_column},
            },
        },
    }


def _fingerprint(found: Diagnostic, name: str, seen: dict[str, int]) -> str:
    """The same for the same mistake when lines above it come or go; unique within the report."""
    what = "\0".join((name, found.code, found.path, found.message))
    seen[what] = number = seen.get(what, 0) + 1
    return hashlib.sha256(f"{what}\0{number}".encode()).hexdigest()[:32]
