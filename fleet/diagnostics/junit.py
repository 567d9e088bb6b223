"""JUnit's XML, which most CI systems show as test results: one test case per finding, or one that passed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from xml.sax.saxutils import escape, quoteattr

from fleet.diagnostics import concise
from fleet.diagnostics.masked import masked
from fleet.diagnostics.model import Diagnostic, Severity


def render(found: Sequence[Diagnostic], name: str, failing: Collection[Severity]) -> str:
    """Severities outside `failing` are test cases that pass and say something."""
    cases = [_case(masked(each), name, each.severity in failing) for each in found]
    cases = cases or [
        f'    <testcase classname="fleet.validate" name={_attribute(name)} file={_attribute(name)}/>'
    ]
    failures = sum(each.severity in failing for each in found)
    counts = f'tests="{len(cases)}" failures="{failures}" errors="0" skipped="0"'
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<testsuites name="fleet validate" {counts}>\n'
        f"  <testsuite name={_attribute(name)} {counts}>\n" + "\n".join(cases) + "\n"
        "  </testsuite>\n"
        "</testsuites>\n"
    )


def _case(found: Diagnostic, name: str, fails: bool) -> str:
    title = f"{found.code} {found.name} ({found.path or 'file'}:{found.span.line}:{found.span.column})"
    text = "\n".join(
        [concise.line(found, name), *([f"help: {found.help}"] if found.help else []), *found.notes]
    )
    head = (
        f'    <testcase classname="fleet.validate" name={_attribute(title)} file={_attribute(name)}'
        f' line="{found.span.line}">\n'
    )
    if fails:
        labels = f"type={_attribute(found.code)} message={_attribute(found.message)}"
        inner = f"<failure {labels}>{_text(text)}</failure>"
    else:
        inner = f"<system-out>{_text(text)}</system-out>"
    return f"{head}      {inner}\n    </testcase>"


def _attribute(text: str) -> str:
    return quoteattr(_legal(text), {"\n": "&#10;", "\t": "&#9;"})


def _text(text: str) -> str:
    return escape(_legal(text))


def _legal(text: str) -> str:
    """XML 1.0 has no way at all to write most control characters."""
    return "".join(c if c in "\t\n" or (c >= " " and c not in "\ufffe\uffff") else "\ufffd" for c in text)
