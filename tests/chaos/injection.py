"""A run whose workers have a bug on purpose (injecting/sitecustomize.py), and how much of it the judge found."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.journal import Reading
from tests.chaos.mix import Mix, Say, run
from tests.chaos.verdict import Verdict
from tests.support import ROOT

INJECTIONS = ("requeue", "double", "loss")


@dataclass(frozen=True, slots=True)
class Found:
    """`made`: numbers of the messages that the bug has hit. `missed` of them the judge has not reported."""

    made: frozenset[int]
    missed: frozenset[int]
    verdict: Verdict

    @property
    def share(self) -> float:
        return 1 - len(self.missed) / len(self.made) if self.made else 0.0


def run_with(kind: str, share: float, mix: Mix, folder: Path, say: Say = lambda _: None) -> Found:
    notes = folder / "injected"
    notes.touch()
    path = os.pathsep.join(map(str, (ROOT / "tests" / "chaos" / "injecting", ROOT)))
    environment = {"CHAOS_INJECT": f"{kind} {share} {notes}", "PYTHONPATH": path}
    verdict = run(mix, folder, say, environment)
    hit = {int(line.split()[1]) for line in notes.read_text().splitlines()}
    again = Reading(folder / "journal").read().executions
    # What has not run again so far, in a run that ended early, nobody can know of.
    made = frozenset(each for each in hit if kind == "loss" or len(again[each]) > mix.work.times(each))
    return Found(made, made - {*verdict.lost, *verdict.unexplained}, verdict)
