"""What the journal says about a run: what was lost, what was done again, and whether a fault explains that.

Pure: a reading and the strikes in, a Verdict out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

from tests.chaos.journal import Execution, Reading
from tests.chaos.schedule import FILE, SERVER

# What has ended may not be settled yet: acks go out together, and this machine is loaded.
_SETTLING_SECONDS = 1.0
# That a silent connection is dead shows on RabbitMQ after some heartbeats, on Redis when a reply is overdue.
_NOTICED_SECONDS = {"half_open": 15.0, "freeze": 15.0}
# RabbitMQ writes acks to a queue's index later than it takes them; when killed it forgets the last ones.
_FORGOTTEN_SECONDS = {"crash": 10.0}
_RECONNECTED_SECONDS = 3.0
# What makes a worker give back, or the broker, what had not started there.
_GIVES_BACK = (*SERVER, "worker", "up", "replicas")


@dataclass(frozen=True, slots=True)
class Strike:
    """A fault that has struck, monotonic seconds; at `ended` all was whole again but for what was killed."""

    kind: str
    began: float
    ended: float
    killed: frozenset[int] = frozenset()


Hits = Callable[[Strike, Execution], bool]


def always(_strike: Strike, _execution: Execution) -> bool:
    """For peers, about whom we only count."""
    return True


def hits_in_fleet(broker: str, lease_seconds: float) -> Hits:
    """Whether a strike may make the broker give out again what this execution runs.

    In a fleet: what ran in killed processes; on AMQP also what a broken connection had brought. Not: edits, a
    killed controller or `fleet up` (its workers drain), and, where there are leases, trouble with the broker
    that is over before they are.
    """

    def hits(strike: Strike, execution: Execution) -> bool:
        if strike.kind in (*SERVER, *FILE):
            return broker == "amqp" or strike.ended - strike.began > lease_seconds / 2
        return execution.pid in strike.killed

    return hits


def _in_flight(strike: Strike, execution: Execution, before: float = 0.0, after: float = 0.0) -> bool:
    began, ended = strike.began - before, strike.ended + after
    return execution.started <= ended and (execution.ended is None or execution.ended >= began)


def _unsettled(strike: Strike, execution: Execution, strikes: list[Strike]) -> bool:
    """In flight, or with an ack that may not have reached the broker, or not its disk."""
    before = _FORGOTTEN_SECONDS.get(strike.kind, 0.0) + _SETTLING_SECONDS
    if execution.ended is not None and strike.killed:
        before = max(before, _settled_by(execution.ended, strikes) - execution.ended)
    return _in_flight(strike, execution, before, _NOTICED_SECONDS.get(strike.kind, _SETTLING_SECONDS))


def _settled_by(ended: float, strikes: list[Strike]) -> float:
    """By when its worker has told the broker, if it lives that long: trouble with the broker makes the ack wait.

    Trouble passes into more trouble; strikes are in the order of time. Who tries again after ever longer pauses
    has a connection no later than the outage took once more.
    """
    settled = ended + _SETTLING_SECONDS
    for trouble in strikes:
        if trouble.kind in SERVER and trouble.began <= settled:
            lasted = trouble.ended - trouble.began
            noticed = _NOTICED_SECONDS.get(trouble.kind, max(lasted, _SETTLING_SECONDS))
            settled = max(settled, trouble.ended + noticed)
    return settled


@dataclass(slots=True)
class Tally:
    """Of one kind of fault: how often, what it may have repeated (see _unsettled), how much of that it did."""

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


def judge(messages: int, reading: Reading, strikes: list[Strike], hits: Hits) -> Verdict:
    verdict = Verdict(messages, executions=sum(len(each) for each in reading.executions.values()))
    for strike in strikes:
        verdict.by_kind[strike.kind].strikes += 1
    for number in range(messages):
        _judge_one(number, reading, strikes, hits, verdict)
    _measure(reading, verdict)
    if verdict.lost:
        verdict.problems.append(f"{len(verdict.lost)} never done: {_some(verdict.lost)}")
    if verdict.unexplained:
        count = len(verdict.unexplained)
        verdict.problems.append(f"{count} done again though no fault hit them: {_some(verdict.unexplained)}")
    if suspects := [*verdict.lost, *verdict.unexplained]:
        verdict.evidence = _evidence(suspects, reading, strikes)
    return verdict


def _judge_one(number: int, reading: Reading, strikes: list[Strike], hits: Hits, verdict: Verdict) -> None:
    executions = reading.executions.get(number, [])
    again = len(executions) - 1
    if number not in reading.done:
        verdict.lost.append(number)
    causes: list[str] = []
    for execution in executions:
        hit_by = [strike for strike in strikes if hits(strike, execution)]
        for strike in hit_by:
            verdict.by_kind[strike.kind].at_risk += _unsettled(strike, execution, strikes)
        causes += [strike.kind for strike in hit_by if _unsettled(strike, execution, strikes)][:1]
    if again < 1:
        return
    if len(causes) < again and (doubling := _doubled_by(executions, reading, strikes, hits)):
        causes.append(doubling)
    for kind in causes[:again]:
        verdict.by_kind[kind].repeated += 1
    verdict.repeated += len(causes[:again])
    unexplained = again - len(causes[:again])
    copies = min(unexplained, _may_be_sent_again(number, reading, strikes))
    verdict.copies += copies
    if unexplained > copies:
        verdict.unexplained.append(number)


def _doubled_by(
    executions: list[Execution], reading: Reading, strikes: list[Strike], hits: Hits
) -> str | None:
    """The kind of fault that may have made RabbitMQ hold it twice; then two of these ran after that.

    What comes back to a classic queue unstarted is published again, with its count, and then acknowledged. When
    the connection breaks in between, or a kill makes the broker forget the ack, both are there.
    """
    sending = reading.sent.get(executions[0].number)
    for strike in strikes:
        breaks = strike.kind in SERVER and hits(strike, executions[0])
        ran_since = sum(execution.started >= strike.began for execution in executions)
        was_there = sending is None or sending.begun < strike.began
        if breaks and was_there and ran_since > 1 and _was_giving_back(strike, strikes):
            return strike.kind
    return None


def _was_giving_back(strike: Strike, strikes: list[Strike]) -> bool:
    """Whether another fault, shortly before it, made something come back; or its acks are not on disk yet."""
    recently = strike.began - _FORGOTTEN_SECONDS.get(strike.kind, 0.0)
    return any(
        each.kind in _GIVES_BACK
        and each.began < strike.began
        and recently <= each.ended + _NOTICED_SECONDS.get(each.kind, 0.0) + _RECONNECTED_SECONDS
        for each in strikes
    )


def _may_be_sent_again(number: int, reading: Reading, strikes: list[Strike]) -> int:
    """Copies that the publisher may have made of it: one per try that failed.

    `send` itself repeats once on a connection that broke under it, which no one sees from outside.
    """
    sending = reading.sent.get(number)
    if sending is None:
        return 0
    troubled = any(
        strike.kind in SERVER
        and sending.begun <= strike.ended + _NOTICED_SECONDS.get(strike.kind, 0.0)
        and strike.began <= sending.done
        for strike in strikes
    )
    return 2 * sending.tries - 1 if troubled else sending.tries - 1


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
    origin = min((sending.begun for sending in reading.sent.values()), default=0.0)

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


def _some(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:10])) + (" …" if len(numbers) > 10 else "")
