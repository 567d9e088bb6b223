"""Everything that happens to one file in one environment: merge, expand, build, check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from fleet.config.build import build
from fleet.config.ignores import Used, kept
from fleet.config.layers import apply_defaults, apply_environment
from fleet.config.model import Fleet
from fleet.config.parse import Parsed
from fleet.config.positions import locate
from fleet.config.toml11 import newer_syntax
from fleet.config.variables import expand
from fleet.diagnostics import Diagnostic
from fleet.machine import Machine
from fleet.rules.finding import Finding
from fleet.rules.registry import rule_of
from fleet.rules.run import run_rules

Ask = Callable[[Fleet], Iterable[Finding]]


class Circumstances(NamedTuple):
    """What a check depends on besides the file."""

    environ: Mapping[str, str]
    machine: Machine
    rules: bool
    ask: Ask | None
    used: Used
    """Collects the ignore comments that ignored something, over all examinations of a file."""


def examine(
    parsed: Parsed, environment: str | None, circumstances: Circumstances
) -> tuple[Fleet | None, list[Diagnostic]]:
    """The fleet as far as it can be made out, and all findings that are not ignored, unsorted."""
    document = parsed.document.fork()
    findings: list[Finding] = []
    if environment is not None:
        findings += apply_environment(document, environment)
    apply_defaults(document)
    findings += expand(document, circumstances.environ)
    fleet, repairs = build(document, parsed.source.folder)
    findings += repairs
    if fleet and circumstances.rules:
        findings += run_rules(fleet, circumstances.machine, document)
    if fleet and circumstances.ask and not document.poisoned | document.guessed:
        from fleet.rules.app import is_echo

        asked = list(circumstances.ask(fleet))
        findings = [finding for finding in findings if not is_echo(finding, asked)] + asked
    located = []
    for finding in findings:
        rule = rule_of(finding.code)
        severity = fleet.lint.severity.get(rule.code) if fleet and not rule.always_counts else None
        located.append(locate(finding, rule, parsed.spans, document, severity))
    located += [
        locate(finding, rule_of(finding.code), parsed.spans, parsed.document)
        for finding in newer_syntax(parsed.spans)
    ]
    return fleet, kept(located, fleet.lint.ignore if fleet else (), parsed.spans, circumstances.used)
