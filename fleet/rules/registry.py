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
    "syntax": ("text", "keys", "values", "comments"),
    "queues": ("consumption", "names", "quorum", "arguments", "exchanges"),
    "routes": ("targets", "patterns"),
    "pools": ("concurrency", "absurd", "fit", "libraries", "limits", "preloading"),
    "capacity": ("cpus", "memory", "connections"),
    "reliability": ("limits", "losses", "retries"),
    "security": ("secrets", "messages", "exposure", "users"),
    "operations": ("rollouts", "replicas"),
}
# And what needs more than the file, whatever its subject.
ON_REQUEST = ("app", "connect")

FixKind = Literal["safe", "unsafe"]
Check = Callable[[Fleet, Machine], Iterator[Finding]]
P = ParamSpec("P")


class Rule(NamedTuple):
    """One entry of the catalogue. `check` is None where the loader itself finds it.

    `reads`: keys as "workers.pool" whose wrong value makes the check pointless: it keeps quiet for that
    table. `on_request`: needs more than the file; what it finds at one place may be several mistakes.
    `varies`: what it finds in a file depends on where it runs: CPUs, files, variables.
    """

    code: str
    name: str
    severity: Severity
    explanation: str
    subject: str
    fix: FixKind | None = None
    check: Check | None = None
    reads: tuple[str, ...] = ()
    on_request: bool = False
    varies: bool = False


_RULES: dict[str, Rule] = {}


def rule(
    code: str,
    name: str,
    severity: Severity,
    *,
    reads: tuple[str, ...] = (),
    fix: FixKind | None = None,
    varies: bool = False,
) -> Callable[[Check], Check]:
    """Register a check of a whole fleet; its findings get `code`."""

    def register(function: Check) -> Check:
        @wraps(function)
        def check(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
            for finding in function(fleet, machine):
                yield finding._replace(code=code)

        _add(function, code, name, severity, fix=fix, check=check, reads=reads, varies=varies)
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

        _add(function, code, name, severity, fix=fix)
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

        _add(function, code, name, severity, fix=fix, on_request=True)
        return check

    return register


@cache
def catalogue() -> dict[str, Rule]:
    """Every rule by its code, in the order of codes."""
    modules = [f"{subject}.{module}" for subject, names in SUBJECTS.items() for module in names]
    for module in (*modules, *ON_REQUEST):
        importlib.import_module(f"fleet.rules.{module}")
    return dict(sorted(_RULES.items()))


def _add(
    function: Callable[..., Any],
    code: str,
    name: str,
    severity: Severity,
    *,
    fix: FixKind | None,
    check: Check | None = None,
    reads: tuple[str, ...] = (),
    on_request: bool = False,
    varies: bool = False,
) -> None:
    if code in _RULES:
        raise ValueError(f"{code} is taken by {_RULES[code].name}")
    explanation = inspect.getdoc(function)
    if not explanation:
        raise ValueError(f"{code} has no explanation: write a docstring")
    subject = list(SUBJECTS)[int(code[3])]
    _RULES[code] = Rule(code, name, severity, explanation, subject, fix, check, reads, on_request, varies)
