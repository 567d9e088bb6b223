"""SARIF 2.1.0, for code scanning: findings with their rules, second places and fixes.

Format: https://docs.oasis-open.org/sarif/sarif/v2.1.0/
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from fleet import __version__
from fleet.diagnostics.masked import masked
from fleet.diagnostics.model import Diagnostic, Fix, Severity, Span

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"error": "error", "warning": "warning", "info": "note"}

Node = dict[str, Any]


class Described(Protocol):
    """What there is to know of a rule."""

    @property
    def name(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def explanation(self) -> str: ...


def render(found: Sequence[Diagnostic], name: str, rules: Mapping[str, Described]) -> str:
    """`rules` by code; those without a finding are left out. `name`: relative to the repository's root."""
    codes = sorted({each.code for each in found})
    driver = {
        "name": "fleet validate",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_rule(code, rules[code]) for code in codes],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(masked(each), name, codes) for each in found],
    }
    return (
        json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False)
        + "\n"
    )


def _rule(code: str, rule: Described) -> Node:
    summary, _, rest = rule.explanation.partition("\n\n")
    return {
        "id": code,
        "name": rule.name,
        "shortDescription": {"text": " ".join(summary.split())},
        "fullDescription": {"text": rest or summary},
        "help": {"text": f"{rule.explanation}\n\n`fleet explain {code}` shows this, too."},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(found: Diagnostic, name: str, codes: Sequence[str]) -> Node:
    advice = [f"help: {found.help}"] if found.help else []
    result: Node = {
        "ruleId": found.code,
        "ruleIndex": codes.index(found.code),
        "level": _LEVELS[found.severity],
        "message": {"text": "\n".join([found.message, *advice, *found.notes])},
        "locations": [{**_location(found.span, name), **_logical(found.path)}],
    }
    if found.related:
        result["relatedLocations"] = [
            {"id": number, **_location(each.span, name), "message": {"text": each.label}}
            for number, each in enumerate(found.related, 1)
        ]
    if found.fix:
        result["fixes"] = [_fix(found.fix, name)]
    if found.environments:
        result["properties"] = {"environments": list(found.environments)}
    return result


def _location(span: Span, name: str) -> Node:
    return {"physicalLocation": {"artifactLocation": _artifact(name), "region": _region(span)}}


def _logical(path: str) -> Node:
    return {"logicalLocations": [{"fullyQualifiedName": path}]} if path else {}


def _fix(fix: Fix, name: str) -> Node:
    replacements = [
        {"deletedRegion": _region(edit.span), "insertedContent": {"text": edit.text}} for edit in fix.edits
    ]
    return {
        "description": {"text": "Safe" if fix.safe else "A guess: check it"},
        "artifactChanges": [{"artifactLocation": _artifact(name), "replacements": replacements}],
    }


def _artifact(name: str) -> Node:
    return {"uri": quote(name)}


def _region(span: Span) -> Node:
    return {
        "startLine": span.line,
        "startColumn": span.column,
        "endLine": span.end_line,
        "endColumn": span.end_column,
    }
