"""What a judge accepts as the reason for a repetition, where only the journal can tell: leases, and Celery.

Where RabbitMQ's wire was watched, witness.py knows more, and accepts less.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from tests.chaos.journal import Execution, Reading, Sending
from tests.chaos.schedule import BREAKS, TROUBLE
from tests.chaos.strikes import SETTLING_SECONDS, Strike

# RabbitMQ writes acks to a queue's index later than it takes them; when killed it forgets the last ones.
_FORGOTTEN_SECONDS = {"crash": 10.0}

Hits = Callable[[Strike, Execution], bool]


@dataclass(slots=True)
class Excuse:
    """For one message: the kinds of faults that explain one repetition each, and what was at risk of how many."""

    causes: list[str] = field(default_factory=list)
    copies: int = 0  # that its publisher may have made
    at_risk: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Story:
    """The executions of one message, in order. Each is the reason for one repetition at most, or one itself."""

    executions: list[Execution]
    causes: list[str] = field(default_factory=list)
    at_risk: list[str] = field(default_factory=list)
    moments: list[float] = field(default_factory=list)  # of what was explained
    begun: list[Execution] = field(init=False)
    repetitions: list[Execution] = field(init=False)

    def __post_init__(self) -> None:
        self.begun = sorted(self.executions, key=lambda each: each.started)
        self.repetitions = list(self.begun)

    def unexplained_since(self, moment: float) -> int:
        """Executions since then that follow from nothing that befell it since then."""
        ran = sum(each.started >= moment for each in self.executions)
        return ran - sum(at >= moment for at in self.moments)

    def explain(self, kind: str, execution: Execution | None, at: float) -> None:
        """What this fault undid at that moment can only have come again afterwards."""
        self.at_risk.append(kind)
        after = [each for each in self.repetitions if each.started >= at and each is not execution]
        if after:
            self.repetitions.remove(after[0])
            self.causes.append(kind)
            self.moments.append(at)
        if execution is not None:
            self.begun.remove(execution)


class Excuses(Protocol):
    def of(self, number: int, executions: list[Execution]) -> Excuse: ...


def always(_strike: Strike, _execution: Execution) -> bool:
    """For peers, about whom we only count."""
    return True


def hits_leases(lease_seconds: float) -> Hits:
    """Whether a strike may make the broker give out again what this execution runs.

    What ran in killed processes. Not: edits, a killed controller or `fleet up` (its workers drain), and trouble
    with the broker that is over before leases are.
    """

    def hits(strike: Strike, execution: Execution) -> bool:
        if strike.kind in TROUBLE:
            return strike.lasted > lease_seconds / 2
        return execution.pid in strike.killed

    return hits


class ByJournal:
    """Times and killed processes are all there is to go by."""

    def __init__(self, reading: Reading, strikes: list[Strike], hits: Hits) -> None:
        self._reading, self._strikes, self._hits = reading, strikes, hits

    def of(self, number: int, executions: list[Execution]) -> Excuse:
        story = Story(executions)
        for execution in list(story.begun):
            for strike in self._strikes:
                if self._hits(strike, execution) and _unsettled(strike, execution, self._strikes):
                    story.explain(strike.kind, execution, strike.began)
                    break
        copies = _may_be_sent_again(self._reading.sent.get(number), self._strikes)
        return Excuse(story.causes, copies, story.at_risk)


def in_flight(strike: Strike, execution: Execution, before: float = 0.0, after: float = 0.0) -> bool:
    began, ended = strike.began - before, strike.ended + after
    return execution.started <= ended and (execution.ended is None or execution.ended >= began)


def _unsettled(strike: Strike, execution: Execution, strikes: list[Strike]) -> bool:
    """In flight, or with an ack that may not have reached the broker, or not its disk."""
    before = _FORGOTTEN_SECONDS.get(strike.kind, 0.0) + SETTLING_SECONDS
    if execution.ended is not None and strike.killed:
        before = max(before, _settled_by(execution.ended, strikes) - execution.ended)
    return in_flight(strike, execution, before, strike.noticed_seconds or SETTLING_SECONDS)


def _settled_by(ended: float, strikes: list[Strike]) -> float:
    """By when its worker has told the broker, if it lives that long: trouble with the broker makes the ack wait.

    Trouble passes into more trouble; strikes are in the order of time. Who tries again after ever longer pauses
    has a connection no later than the outage took once more.
    """
    settled = ended + SETTLING_SECONDS
    for trouble in strikes:
        if trouble.kind in TROUBLE and trouble.began <= settled:
            noticed = trouble.noticed_seconds or max(trouble.lasted, SETTLING_SECONDS)
            settled = max(settled, trouble.ended + noticed)
    return settled


def _may_be_sent_again(sending: Sending | None, strikes: list[Strike]) -> int:
    """Copies that the publisher may have made of it: one per try that failed.

    `send` itself repeats once on a connection that broke under it, which no one sees from outside: of the
    message that was on its way then, or of the next, which finds the connection broken.
    """
    if sending is None:
        return 0
    troubled = any(
        strike.kind in BREAKS and sending.previous <= strike.ended and strike.began <= sending.done
        for strike in strikes
    )
    return 2 * sending.tries - 1 if troubled else sending.tries - 1
