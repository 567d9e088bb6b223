"""How one delivery ended, and what is then to be done with its message. Pure values and one pure decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from fleet.spec import WorkerSpec
from fleet.worker.backoff import exponential, jittered

Kind = Literal[
    "succeeded",
    "retry",  # the task raised Retry
    "failed",  # the task raised, or broke a time limit
    "rejected",  # can't be run, now or ever: malformed, unknown task, wrong arguments
    "expired",
    "lost",  # the process that ran it died
]


class Outcome(NamedTuple):
    """A tuple, so that it is cheap to make and to send from a pool process."""

    kind: Kind
    reason: str = ""  # one line
    traceback: str | None = None
    delay_seconds: float | None = None  # for retry
    exit_signal: int | None = None  # for lost
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0


class Policy(NamedTuple):
    """What holds for one task: its own settings, else the group's."""

    max_retries: int
    retry_backoff_seconds: float
    retry_backoff_max_seconds: float
    soft_time_limit_seconds: float | None
    time_limit_seconds: float | None


Own = dict[str, Any]  # those fields of a Policy that a task says itself


def under(group: Policy, own: Own) -> Policy:
    """What holds for a task of that group."""
    return group._replace(**own) if own else group


def default_policy(spec: WorkerSpec) -> Policy:
    return Policy(
        spec.max_retries,
        spec.retry_backoff_seconds,
        spec.retry_backoff_max_seconds,
        spec.soft_time_limit_seconds,
        spec.time_limit_seconds,
    )


@dataclass(frozen=True, slots=True)
class Ack:
    """Done with. `note` says why when the task did not run to its end."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class PutBack:
    """Its process died: for any worker, at once, with the death counted."""

    note: str


@dataclass(frozen=True, slots=True)
class Postpone:
    """Publish it again, due later, with this number of retries."""

    delay_seconds: float
    retries: int
    note: str
    traceback: str | None = None


@dataclass(frozen=True, slots=True)
class Bury:
    """To the dead-letter queue."""

    reason: str
    traceback: str | None = None
    exit_signal: int | None = None


Decision = Ack | PutBack | Postpone | Bury
ACK = Ack()


def decide(
    outcome: Outcome,
    policy: Policy,
    *,
    retries: int,
    attempt: int,
    max_deliveries: int,
    random: Callable[[], float],
) -> Decision:
    """What becomes of the message. `retries` so far, `attempt` of delivery from 1; `random` gives [0, 1)."""
    match outcome.kind:
        case "succeeded":
            return ACK
        case "rejected":
            return Bury(outcome.reason, outcome.traceback)
        case "expired":
            return Ack(outcome.reason)
        case "lost":
            return _after_a_crash(outcome, attempt, max_deliveries)
        case "retry" | "failed":
            return _after_a_failure(outcome, policy, retries, random)


def _after_a_crash(outcome: Outcome, attempt: int, max_deliveries: int) -> Decision:
    if attempt < max_deliveries:
        return PutBack(f"{outcome.reason} (delivery {attempt} of {max_deliveries})")
    reason = f"{outcome.reason} (delivery {attempt}, max_deliveries is {max_deliveries})"
    return Bury(reason, outcome.traceback, outcome.exit_signal)


def _after_a_failure(outcome: Outcome, policy: Policy, retries: int, random: Callable[[], float]) -> Decision:
    if retries >= policy.max_retries:
        tries = "no retries" if policy.max_retries == 0 else f"after {retries} retries"
        return Bury(f"{outcome.reason} ({tries})", outcome.traceback)
    delay = outcome.delay_seconds
    if delay is None:
        whole = exponential(retries, base=policy.retry_backoff_seconds, cap=policy.retry_backoff_max_seconds)
        delay = jittered(whole, random)
    note = f"{outcome.reason} (retry {retries + 1} of {policy.max_retries} in {delay:.1f}s)"
    return Postpone(max(delay, 0.0), retries + 1, note, outcome.traceback)
