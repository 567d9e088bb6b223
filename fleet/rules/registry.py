"""All checks by code. A check registers itself where it is defined; a code used twice fails at import."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import Any, Literal, NamedTuple, ParamSpec

from fleet.config.model import Fleet
from fleet.diagnostics import Severity
from fleet.machine import Machine
from fleet.rules.finding import Finding

# Subject → its modules, in the order of the codes' first digit.
SUBJECTS = {
    "syntax": ("toml_text", "keys", "values", "comments", "lint"),
    "queues": (
        "consumption",
        "order",
        "names",
        "quorum",
        "arguments",
        "dead_letters",
        "exchanges",
        "copies",
        "bounds",
        "parameters",
        "vocabulary",
        "idle_arguments",
        "lifetimes",
    ),
    "routes": ("targets", "patterns", "expressions", "priorities"),
    "pools": ("concurrency", "green", "absurd", "fit", "libraries", "limits", "preloading", "idle"),
    "capacity": ("cpus", "threads", "memory", "connections"),
    "reliability": ("limits", "prefetch", "losses", "retries", "values"),
    "security": ("secrets", "messages", "certificates", "exposure", "users"),
    "operations": (
        "rollouts",
        "replicas",
        "project",
        "files",
        "state_dir",
        "texts",
        "privileges",
        "hosts",
        "alert_targets",
    ),
    "schedules": ("times", "crowds", "sending", "zones_and_arguments", "beat"),
    "broker": ("urls", "files"),
}
# The first digit of a code → its subject.
_DIGITS = dict(zip("0123456789", SUBJECTS, strict=True))
# And what needs more than the file, whatever its subject.
ON_REQUEST = ("app", "app_pools", "celery", "connect", "exporting", "not_as_measured")

FixKind = Literal["safe", "unsafe"]
Check = Callable[[Fleet, Machine], Iterator[Finding]]
P = ParamSpec("P")


class Rule(NamedTuple):
    """One entry of the catalogue. `check` is None where the loader itself finds it.

    `reads`: keys as "workers.pool" whose wrong value makes the check pointless: it keeps quiet for that
    table. `on_request`: needs more than the file; what it finds at one place may be several mistakes.
    `varies`: what it finds in a file depends on where it runs: CPUs, files, variables. `sized`: on how large the
    machine is, so that where the fleet runs it is a warning at most: it would run, only not well. `needed`: nobody
    could run a fleet with this mistake, so that [lint] and comments can't pass over it. `singly`: each of its findings
    rests on the keys that it shows alone, so that a wrong value beside them hides nothing.
    """

    code: str
    name: str
    severity: Severity
    docstring: str
    subject: str
    fix: FixKind | None = None
    check: Check | None = None
    reads: tuple[str, ...] = ()
    on_request: bool = False
    varies: bool = False
    sized: bool = False
    needed: bool = False
    singly: bool = False

    @property
    def explanation(self) -> str:
        """What the check says of itself, without its indent: made when asked, as few runs show one of the many."""
        return inspect.cleandoc(self.docstring)

    @property
    def always_counts(self) -> bool:
        """Whether neither [lint] nor a comment can leave it out, or call it less than an error."""
        by_loader = self.check is None and not self.on_request
        return self.needed or (by_loader and self.severity == "error")


_RULES: dict[str, Rule] = {}


def rule(
    code: str,
    name: str,
    severity: Severity,
    *,
    reads: tuple[str, ...] = (),
    fix: FixKind | None = None,
    varies: bool = False,
    sized: bool = False,
    needed: bool = False,
    singly: bool = False,
) -> Callable[[Check], Check]:
    """Register a check of a whole fleet; its findings get `code`."""

    def register(function: Check) -> Check:
        @wraps(function)
        def check(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
            for finding in function(fleet, machine):
                yield finding._replace(code=code)

        entry = Rule(
            code,
            name,
            severity,
            _docstring(code, function),
            _subject(code),
            fix,
            check,
            reads,
            varies=varies,
            sized=sized,
            needed=needed,
            singly=singly,
        )
        _add(entry)
        return check

    return register


def found_by_loader(
    code: str, name: str, severity: Severity, *, fix: FixKind | None = None
) -> Callable[[Callable[P, Finding]], Callable[P, Finding]]:
    """Register a function that words one finding of the loader."""

    def register(function: Callable[P, Finding]) -> Callable[P, Finding]:
        @wraps(function)
        def word(*args: P.args, **kwargs: P.kwargs) -> Finding:
            return function(*args, **kwargs)._replace(code=code)

        _add(Rule(code, name, severity, _docstring(code, function), _subject(code), fix))
        return word

    return register


def on_request(
    code: str, name: str, severity: Severity, *, fix: FixKind | None = None
) -> Callable[[Callable[P, Iterator[Finding]]], Callable[P, Iterator[Finding]]]:
    """Register a check that needs more than the file: its further arguments say what was asked for."""

    def register(function: Callable[P, Iterator[Finding]]) -> Callable[P, Iterator[Finding]]:
        @wraps(function)
        def check(*args: P.args, **kwargs: P.kwargs) -> Iterator[Finding]:
            for finding in function(*args, **kwargs):
                yield finding._replace(code=code)

        docstring = _docstring(code, function)
        _add(Rule(code, name, severity, docstring, _subject(code), fix, on_request=True))
        return check

    return register


@cache
def catalogue() -> dict[str, Rule]:
    """Every rule by its code, in the order of codes."""
    _rules_of_files()
    for module in ON_REQUEST:
        importlib.import_module(f"fleet.rules.{module}")
    return dict(sorted(_RULES.items()))


def rules_of_files() -> list[Rule]:
    """The rules that need no more than the file, in the order of codes."""
    _rules_of_files()
    return [each for _, each in sorted(_RULES.items()) if not each.on_request]


def rule_of(code: str) -> Rule:
    """Of a finding. Its module is there, since it has found something; no other is loaded for it."""
    return _RULES.get(code) or catalogue()[code]


@cache
def _rules_of_files() -> None:
    for subject, names in SUBJECTS.items():
        for module in names:
            importlib.import_module(f"fleet.rules.{subject}.{module}")


def _add(entry: Rule) -> None:
    _RULES[entry.code] = entry


def _docstring(code: str, function: Callable[..., Any]) -> str:
    """What `function` says of itself. Raises ValueError: nothing, or the code is another's."""
    if code in _RULES:
        raise ValueError(f"{code} is taken by {_RULES[code].name}")
    if not function.__doc__:
        raise ValueError(f"{code} has no explanation: write a docstring")
    return function.__doc__


def _subject(code: str) -> str:
    return _DIGITS[code[3]]
