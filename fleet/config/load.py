"""One file → Loaded: the fleet, or all that is wrong with it. Never raises for a mistake in the file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from fleet.config.examine import Ask, Circumstances, examine
from fleet.config.ignores import unused
from fleet.config.layers import environments
from fleet.config.model import Fleet
from fleet.config.parse import Parsed, parse
from fleet.config.source import Source, Unreadable, find_file, read_source
from fleet.diagnostics import Diagnostic, Span
from fleet.machine import Machine, this_machine
from fleet.rules.registry import rule_of

__all__ = [
    "Loaded",
    "Source",
    "Unreadable",
    "check",
    "circumstances",
    "find_file",
    "load",
    "load_source",
    "load_to_run",
    "load_under",
    "read_source",
]


class Loaded(NamedTuple):
    """`fleet` is None when any diagnostic is an error. Diagnostics are sorted by position."""

    source: Source
    fleet: Fleet | None
    diagnostics: tuple[Diagnostic, ...]
    draft: Fleet | None = None
    """The fleet as far as it can be made out, be there errors or not."""

    @property
    def ok(self) -> bool:
        return self.fleet is not None

    @property
    def too_much(self) -> tuple[Diagnostic, ...]:
        """Warnings that the fleet does not fit this machine."""
        return tuple(
            each for each in self.diagnostics if each.severity == "warning" and rule_of(each.code).sized
        )

    @property
    def digest(self) -> str:
        return self.source.digest


def load(
    path: Path,
    *,
    env: str | None = None,
    environ: Mapping[str, str] | None = None,
    machine: Machine | None = None,
    rules: bool = True,
) -> Loaded:
    """Read and check `path`, with [env.`env`] merged over it. Raises Unreadable: no such file or `env`.

    `environ` (default: this process's) gives the ${VAR}s, `machine` (default: this one) the limits to check
    against. `rules` False leaves the advice out: only what makes the file impossible to use is found.
    """
    return load_source(read_source(path), env=env, environ=environ, machine=machine, rules=rules)


def load_to_run(
    path: Path,
    *,
    env: str | None = None,
    environ: Mapping[str, str] | None = None,
    machine: Machine | None = None,
) -> Loaded:
    """As `load`, of a fleet that is about to run on this machine: what is only too much for its size is no error."""
    return as_it_runs(load(path, env=env, environ=environ, machine=machine))


def load_source(
    source: Source,
    *,
    env: str | None = None,
    environ: Mapping[str, str] | None = None,
    machine: Machine | None = None,
    rules: bool = True,
) -> Loaded:
    """As `load`, of a text already read."""
    return load_under(source, env, circumstances(environ, machine, rules=rules))


def load_under(source: Source, env: str | None, under: Circumstances) -> Loaded:
    """As `load_source`; `under` may also have somebody who is asked for further findings, as in `check`."""
    parsed = parse(source)
    if not isinstance(parsed, Parsed):
        return Loaded(source, None, (parsed,))
    there = environments(parsed.document)
    if env is not None and env not in there:
        raise Unreadable(f"{source.name} has no [env.{env}]; there are: {', '.join(there) or 'none'}")
    fleet, found = examine(parsed, env, under)
    if under.rules and not there:
        found += _unused(parsed, fleet, found, under)
    return _loaded(source, fleet, found)


def check(
    source: Source,
    *,
    environ: Mapping[str, str] | None = None,
    machine: Machine | None = None,
    ask: Ask | None = None,
) -> Loaded:
    """The file as it stands, then with each [env.NAME]; what only these bring is marked with their names.

    `ask` is given each fleet in which every value is known, and says what else is wrong with it: what the
    app or the broker told.
    """
    parsed = parse(source)
    if not isinstance(parsed, Parsed):
        return Loaded(source, None, (parsed,))
    under = circumstances(environ, machine, ask=ask)
    fleet, base = examine(parsed, None, under)
    found = {_identity(each): each for each in base}
    for name in environments(parsed.document):
        for each in examine(parsed, name, under)[1]:
            first = found.setdefault(_identity(each), each._replace(environments=(name,)))
            if first.environments and name not in first.environments:
                found[_identity(each)] = first._replace(environments=(*first.environments, name))
    all_found = list(found.values())
    return _loaded(source, fleet, all_found + _unused(parsed, fleet, all_found, under))


def _unused(
    parsed: Parsed, fleet: Fleet | None, found: Iterable[Diagnostic], under: Circumstances
) -> list[Diagnostic]:
    """Ignore comments without effect; unless the file's own mistakes have kept checks from being made."""
    if fleet is None or any(rule_of(each.code).subject == "syntax" for each in found):
        return []
    return unused(parsed.spans, under.used, fleet.lint)


def circumstances(
    environ: Mapping[str, str] | None = None,
    machine: Machine | None = None,
    *,
    rules: bool = True,
    ask: Ask | None = None,
) -> Circumstances:
    """See `load` and `check`."""
    known = os.environ if environ is None else environ
    return Circumstances(known, machine or this_machine(), rules, ask, used=set())


def _loaded(source: Source, fleet: Fleet | None, found: Iterable[Diagnostic]) -> Loaded:
    """One mistake in [defaults] shows up in every group that inherits it, but is one."""
    unique = {_identity(each): each for each in reversed(list(found))}
    diagnostics = tuple(sorted(unique.values(), key=lambda each: (each.span, each.code, each.message)))
    return Loaded(source, None if _is_wrong(diagnostics) else fleet, diagnostics, fleet)


def _is_wrong(diagnostics: Iterable[Diagnostic]) -> bool:
    return any(each.severity == "error" for each in diagnostics)


def as_it_runs(loaded: Loaded) -> Loaded:
    """A fleet of the same file ran yesterday on a machine with more CPUs: slower is better than not at all.

    What [lint] severity calls an error stays one.
    """
    meant = loaded.draft.lint.severity if loaded.draft else {}
    found = tuple(
        each._replace(severity="warning")
        if each.severity == "error" and rule_of(each.code).sized and each.code not in meant
        else each
        for each in loaded.diagnostics
    )
    return loaded._replace(diagnostics=found, fleet=None if _is_wrong(found) else loaded.draft)


def _identity(diagnostic: Diagnostic) -> tuple[str, Span, str, str]:
    words = diagnostic.message if rule_of(diagnostic.code).on_request else ""
    return diagnostic.code, diagnostic.span, diagnostic.path, words
