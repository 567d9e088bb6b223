"""Run every check of the catalogue on one fleet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.registry import Rule, rules_of_files


class Doubts(Protocol):
    """Knows which values are only stand-ins for wrong ones."""

    poisoned: set[KeyPath]


def run_rules(fleet: Fleet, machine: Machine, doubts: Doubts) -> Iterator[Finding]:
    """Every finding that does not rest on a stand-in. [machine] goes before what was measured."""
    machine = fleet.machine.over(machine)
    for rule in rules_of_files():
        doubtful = _doubtful(doubts.poisoned, rule)
        if rule.check is None or doubtful is EVERYWHERE:
            continue
        for finding in rule.check(fleet, machine):
            if not doubtful or not (
                _rests_on(finding, doubtful) if rule.singly else doubtful & _tables(finding)
            ):
                yield finding


EVERYWHERE: frozenset[KeyPath] = frozenset({()})


def _doubtful(poisoned: set[KeyPath], rule: Rule) -> frozenset[KeyPath]:
    """The tables in which a value that the rule reads is a stand-in; EVERYWHERE when it reads it for all of them. For a
    rule that goes key by key, the stand-ins themselves.
    """
    tables = set()
    for path in poisoned:
        for read in rule.reads:
            everywhere, key = read.startswith("all "), read.removeprefix("all ")
            if _concerns(path, key):
                if everywhere or len(path) == 1:
                    return EVERYWHERE
                tables.add(path if rule.singly else _table(path))
    return frozenset(tables)


def _rests_on(finding: Finding, doubtful: frozenset[KeyPath]) -> bool:
    paths = (finding.path, *finding.about, *(mark.path for mark in finding.related))
    return any(path[: len(each)] == each or each[: len(path)] == path for path in paths for each in doubtful)


def _tables(finding: Finding) -> set[KeyPath]:
    return {_table(path) for path in (finding.path, *finding.about, *(m.path for m in finding.related))}


def _concerns(path: KeyPath, key: str) -> bool:
    """Whether a wrong value at `path` can be one of `key` ("workers.pool"; "queues.*" is all of a table; "queues."
    the names of the queues alone).
    """
    subject, name = key.split(".")
    inside = path[len(_table(path)) :]
    if not name:
        return path == (subject,)
    return path[0] == subject and (not inside or name in ("*", inside[0]))


def _table(path: KeyPath) -> KeyPath:
    """("workers", "http", "pool") → ("workers", "http")."""
    return path[:2] if path and path[0] in ("workers", "queues", "routes", "schedules") else path[:1]
