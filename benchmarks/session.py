"""A run: all contenders of a scenario in turn, and again (A B A B), saved after each; to be continued later."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from benchmarks.brokers import Brokers
from benchmarks.contenders import Contender
from benchmarks.processes import Failed
from benchmarks.results import Results
from benchmarks.scenarios import Scenario


class Step(NamedTuple):
    scenario: Scenario
    contender: Contender
    round: int  # from 0


def steps(
    scenarios: Sequence[Scenario], rounds: int, *, quick: bool, match: Sequence[str], brokers: Sequence[str]
) -> list[Step]:
    return [
        Step(scenario, contender, number)
        for scenario in scenarios
        for number in range(rounds)
        for contender in scenario.chosen(quick)
        if contender.broker in brokers
        and (not match or any(word.lower() in contender.key.lower() for word in match))
    ]


def left(planned: Sequence[Step], found: Results) -> list[Step]:
    """What an earlier run has not measured: it may have been broken off, or some of it failed."""
    return [step for step in planned if found.rounds(step.scenario.name, step.contender.key) <= step.round]


def why_not_one_table(old: Results, new: Results) -> str:
    """Why what is measured now does not belong beside `old`; empty when it does."""
    differing = [
        f"{name} {old.versions.get(name, 'none')}, now {version}"
        for name, version in new.versions.items()
        if old.versions.get(name) != version
    ]
    differing += [
        f"{name} {old.machine.get(name)}, now {new.machine[name]}"
        for name in ("quick", "system", "cpus", "python")
        if old.machine.get(name) != new.machine[name]
    ]
    return "; ".join(differing)


@dataclass
class Session:
    """`failures`: how many could not be measured."""

    brokers: Brokers
    found: Results
    out: Path
    quick: bool
    failures: int = 0

    def take(self, todo: Sequence[Step]) -> Iterator[Scenario]:
        """Yields each scenario when it has been measured. Ctrl-C may come at any time: the rest is not done."""
        began = time.monotonic()
        for number, step in enumerate(todo, 1):
            minutes, seconds = divmod(int(time.monotonic() - began), 60)
            place = f"[{number}/{len(todo)} {minutes}:{seconds:02}] {step.scenario.name} {step.contender.key}"
            print(f"{place}: {self._measure(step)}", file=sys.stderr, flush=True)
            self.found.write(self.out)
            if number == len(todo) or todo[number].scenario is not step.scenario:
                yield step.scenario

    def _measure(self, step: Step) -> str:
        try:
            numbers = step.scenario.run(step.contender, self.brokers, self.quick)
        except (Failed, ValueError, OSError, subprocess.SubprocessError) as error:
            self.failures += 1
            return f"FAILED: {error}"
        self.found.add(step.scenario.name, step.contender, numbers)
        return ", ".join(f"{name} {value:.4g}" for name, value in numbers.items())
