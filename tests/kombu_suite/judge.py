"""Compare outcomes with those of kombu's own Redis transport. Pure, but for reading the list of what is left out."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple


class LeftOut(NamedTuple):
    """Tests (globs of their names) that can't pass on a transport, the reason, and what of ours tests the same."""

    tests: tuple[str, ...]
    reason: str

    def covers(self, test: str) -> bool:
        return any(fnmatchcase(test, _literal(pattern)) for pattern in self.tests)


def read_left_out(file: Path, kind: str) -> list[LeftOut]:
    entries = tomllib.loads(file.read_text())["left_out"]
    return [LeftOut(tuple(each["tests"]), each["reason"]) for each in entries if kind in each["on"]]


def judge(
    outcomes: Mapping[str, tuple[str, str]],
    expected: Mapping[str, str],
    left_out: Sequence[LeftOut],
    *,
    complete: bool,
) -> list[str]:
    """What is wrong, a line each. `complete`: all tests ran, so that what is missing or needless can be told."""
    failed = [name for name, (outcome, _) in outcomes.items() if outcome != "passed"]
    wrong = [
        f"passes on kombu's Redis transport, not here: {name}: {outcomes[name][1]}"
        for name in failed
        if expected.get(name) == "passed" and not any(each.covers(name) for each in left_out)
    ]
    if not outcomes:
        wrong.append("no test ran")
    if complete:
        wrong += [f"did not run: {name}" for name in expected if name not in outcomes]
        wrong += [
            f"left out without need, all of it passes: {', '.join(each.tests)}"
            for each in left_out
            if not any(each.covers(name) for name in failed if expected.get(name) == "passed")
        ]
    return wrong


def _literal(pattern: str) -> str:
    """Names of parametrized tests have brackets, which mean nothing here."""
    return pattern.replace("[", "[[]")
