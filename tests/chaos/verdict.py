"""What the journal says about a run: what was lost, what was done again, and whether a fault explains that.

Pure: a reading, the strikes and what they excuse in, a Verdict out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from itertools import pairwise

from tests.chaos.excuses import Excuses
from tests.chaos.journal import Reading
from tests.chaos.messages import Work
from tests.chaos.strikes import Strike

_MOST_TOLD = 60


@dataclass(slots=True)
class Tally:
    """Of one kind of fault: how often, what it may have repeated, how much of that it did."""

    strikes: int = 0
    at_risk: int = 0
    repeated: int = 0


@dataclass(slots=True)
class Verdict:
    """`problems` empty: the run has kept every promise."""

    messages: int
    executions: int = 0
    lost: list[int] = field(default_factory=list)
    repeated: int = 0
    copies: int = 0  # sent twice by a publisher that heard of no success; not a second delivery
    unexplained: list[int] = field(default_factory=list)
    rescues: int = 0  # times that workers had to be restarted by hand to go on
    longest_pause: float = 0.0
    seconds: float = 0.0
    by_kind: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    problems: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)  # what befell those of which the problems speak

    @property
    def is_good(self) -> bool:
        return not self.problems


def judge(work: Work, reading: Reading, strikes: list[Strike], excuses: Excuses) -> Verdict:
    verdict = Verdict(work.count, executions=sum(len(each) for each in reading.executions.values()))
    for strike in strikes:
        verdict.by_kind[strike.kind].strikes += 1
    for number in range(work.count):
        _judge_one(number, work.times(number), reading, excuses, verdict)
    _measure(reading, verdict)
    if verdict.lost:
        verdict.problems.append(f"{len(verdict.lost)} never done: {some(verdict.lost)}")
    if verdict.unexplained:
        count = len(verdict.unexplained)
        verdict.problems.append(f"{count} done again though no fault hit them: {some(verdict.unexplained)}")
    if suspects := [*verdict.lost, *verdict.unexplained]:
        verdict.evidence = _evidence(suspects[:_MOST_TOLD], reading, strikes)
    return verdict


def _judge_one(number: int, times: int, reading: Reading, excuses: Excuses, verdict: Verdict) -> None:
    executions = reading.executions.get(number, [])
    if number not in reading.done:
        verdict.lost.append(number)
    excuse = excuses.of(number, executions)
    for kind in excuse.at_risk:
        verdict.by_kind[kind].at_risk += 1
    again = max(0, len(executions) - times)
    causes = excuse.causes[:again]
    for kind in causes:
        verdict.by_kind[kind].repeated += 1
    verdict.repeated += len(causes)
    unexplained = again - len(causes)
    # Each copy of a message that is to be done several times is done that often.
    copies = min(unexplained, excuse.copies * times)
    verdict.copies += copies
    if unexplained > copies:
        verdict.unexplained.append(number)


def judge_dead(failing: set[int], dead: list[int], reading: Reading) -> list[str]:
    """Whether the dead letters are those that were to be, each once, or as often as it was done."""
    problems = []
    if missing := sorted((failing & reading.done) - set(dead)):
        problems.append(f"{len(missing)} dead letters lost: {some(missing)}")
    if innocent := sorted(set(dead) - failing):
        problems.append(f"{len(innocent)} dead letters of messages that had not failed: {some(innocent)}")
    twice = sorted(
        number for number, times in Counter(dead).items() if times > len(reading.executions.get(number, ()))
    )
    if twice:
        problems.append(f"{len(twice)} have more dead letters than they were done: {some(twice)}")
    return problems


def _measure(reading: Reading, verdict: Verdict) -> None:
    """The run's length, and the longest time in it when nothing ended."""
    ends = sorted(
        execution.ended
        for executions in reading.executions.values()
        for execution in executions
        if execution.ended is not None
    )
    if ends:
        verdict.seconds = ends[-1] - ends[0]
        verdict.longest_pause = max((b - a for a, b in pairwise(ends)), default=0.0)


def _evidence(numbers: list[int], reading: Reading, strikes: list[Strike]) -> list[str]:
    """What happened when, in seconds since the first message was sent."""
    origin = reading.origin

    def at(moment: float | None) -> str:
        return "…" if moment is None else f"{moment - origin:.3f}"

    lines = [f"{strike.kind}: {at(strike.began)} to {at(strike.ended)}" for strike in strikes]
    for number in numbers:
        parts = [
            f"ran {at(each.started)} to {at(each.ended)} in {each.pid}"
            for each in reading.executions.get(number, [])
        ]
        if sending := reading.sent.get(number):
            parts.insert(0, f"sent {at(sending.begun)} to {at(sending.done)} ({sending.tries})")
        lines.append(f"{number}: {'; '.join(parts)}")
    return lines


def some(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:10])) + (" …" if len(numbers) > 10 else "")
