"""The outcome of one delivery, and the decision what is then done with its message. Pure values, one pure decision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from fleet.launch_specs import WorkerSpec
from fleet.worker import quarantine
from fleet.worker.backoff import exponential, jittered

Kind = Literal[
    "succeeded",
    "retry",  # the task raised Retry
    "failed",  # the task raised, or broke a time limit
    "rejected",  # can't be run, now or ever: malformed, unknown task, wrong arguments
    "expired",
    "lost",  # the process that ran it died
    "told",  # whoever runs the app's tasks (Celery) has recorded how it ended: done with
    "refused",  # the same, but the message is to be put aside
    "put back",  # to be run again, at once or later; it does not count as a death
]

# Of what an app has recorded itself: what is counted.
Told = Literal["", "succeeded", "failed", "retried", "ignored", "rejected", "revoked", "expired", "unknown"]


class Outcome(NamedTuple):
    """A tuple, so that it is cheap to make and to send from a pool process."""

    kind: Kind
    reason: str = ""  # one line
    traceback: str | None = None
    delay_seconds: float | None = None  # for retry
    exit_signal: int | None = None  # for lost
    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    told: Told = ""
    hard_limit_seconds: float | None = None  # it was ended for that one
    result: str = ""  # what it has returned, for people; only where somebody wants to know
    ended_at: float = 0.0  # monotonic, where the pool has said: the loop may hear of it much later


class Verdict(NamedTuple):
    """What the loop has found about a delivery that is not to run (again), for the app to record.

    It goes to the pool in place of a task: the loop never waits for a result backend, and what has not been recorded
    is not forgotten by the broker either.
    """

    kind: Literal["lost", "timed out", "revoked", "terminated", "given up"]
    reason: str
    final: bool = True  # else it is to run again, unless it turns out that it had succeeded
    seconds: float = 0.0  # of the time limit
    signum: int = 0


class Policy(NamedTuple):
    """What holds for one task: its own settings, else the group's."""

    max_retries: int
    retry_backoff_seconds: float
    retry_backoff_max_seconds: float
    soft_time_limit_seconds: float | None
    time_limit_seconds: float | None
    acks: str = "late"  # of this task, where the group lets each say
    on_loss: str = (
        "retry"  # what becomes of it when the process that ran it dies: "retry", or "record" the failure
    )
    rate_limit: str | None = None  # as Celery writes it
    tells_results: bool = False  # the group's: somebody listens to Celery's events
    task_limits: tuple[Any, ...] = ()  # the group's, see WorkerSpec
    max_deliveries: int = 5  # the group's


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
        acks=spec.acks,
        tells_results=spec.tells_results,
        task_limits=tuple(map(tuple, spec.task_limits)),
        max_deliveries=spec.max_deliveries,
    )


def with_limits(owns: dict[str, Own], spec: WorkerSpec) -> dict[str, Own]:
    """With the time limits that remote control has set."""
    limits = {
        task: {"soft_time_limit_seconds": soft, "time_limit_seconds": hard}
        for task, soft, hard in spec.task_limits
    }
    return {name: own | limits.get(name, {}) for name, own in owns.items()} if limits else owns


@dataclass(frozen=True, slots=True)
class Ack:
    """Done with. `note` says why when the task did not run to its end."""

    note: str = ""


@dataclass(frozen=True, slots=True)
class PutBack:
    """For any worker, at once or later. `counted`: as a death of its process is."""

    note: str
    delay_seconds: float | None = None
    counted: bool = True


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
    random: Callable[[], float],
) -> Decision:
    """What becomes of the message. `retries` so far, `attempt` of delivery from 1; `random` gives [0, 1)."""
    match outcome.kind:
        case "succeeded" | "told":
            return ACK
        case "put back":
            return PutBack(outcome.reason, outcome.delay_seconds, counted=False)
        case "rejected" | "refused":
            return Bury(outcome.reason, outcome.traceback)
        case "expired":
            return Ack(outcome.reason)
        case "lost":
            return _after_a_crash(outcome, attempt, policy.max_deliveries)
        case "retry" | "failed":
            return _after_a_failure(outcome, policy, retries, random)


def _after_a_crash(outcome: Outcome, attempt: int, max_deliveries: int) -> Decision:
    reason = quarantine.after_a_death(outcome.reason, attempt, max_deliveries)
    if quarantine.has_used_up(attempt, max_deliveries):
        return Bury(reason, outcome.traceback, outcome.exit_signal)
    return PutBack(reason)


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
