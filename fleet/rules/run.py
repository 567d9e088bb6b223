"""Run every check of the catalogue on one fleet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.registry import Rule, catalogue


class Doubts(Protocol):
    """Knows which values are only stand-ins for wrong ones."""

    poisoned: set[KeyPath]


def run_rules(fleet: Fleet, machine: Machine, doubts: Doubts) -> Iterator[Finding]:
    """Every finding that does not rest on a stand-in. [machine] goes before what was measured."""
    table = fleet.machine
    machine = machine.stated(
        cpus=table.cpus, memory=table.memory, nofile=table.nofile, origin=("[machine]",) * 3
    )
    for rule in catalogue().values():
        for finding in rule.check(fleet, machine) if rule.check else ():
            if not _rests_on(doubts.poisoned, rule, finding):
                yield finding


def _rests_on(poisoned: set[KeyPath], rule: Rule, finding: Finding) -> bool:
    tables = {_table(path) for path in (finding.path, *finding.about, *(m.path for m in finding.related))}
    for path in poisoned:
        for read in rule.reads:
            everywhere, key = read.startswith("all "), read.removeprefix("all ")
            if _concerns(path, key) and (everywhere or len(path) == 1 or _table(path) in tables):
                return True
    return False


def _concerns(path: KeyPath, key: str) -> bool:
    """Whether a wrong value at `path` can be one of `key` ("workers.pool"; "queues.*" is all of a table)."""
    subject, name = key.split(".")
    inside = path[len(_table(path)) :]
    return path[0] == subject and (not inside or name in ("*", inside[0]))


def _table(path: KeyPath) -> KeyPath:
    """("workers", "http", "pool") → ("workers", "http")."""
    return path[:2] if path and path[0] in ("workers", "queues", "routes") else path[:1]
