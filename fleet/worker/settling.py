"""The settler: what the outcome of a delivery makes of its message is told to the broker, the log and the stats."""

from __future__ import annotations

from fleet.broker.delivery import BrokerUnavailable, Death, Delivery
from fleet.broker.reposting import AGAIN_HEADER, CRASHES_HEADER
from fleet.clock import time
from fleet.launch_specs import WorkerSpec
from fleet.schedules.orders import HEADER as ORIGIN_HEADER
from fleet.telemetry import EXPIRED, FAILED, LOST, REJECTED, RETRIED, SUCCEEDED
from fleet.worker import failure, quarantine, scheduled
from fleet.worker.context import LoopContext
from fleet.worker.headers import attempts_of, crashes_of, label, retries_of, task_of
from fleet.worker.outcome import (
    Ack,
    Bury,
    Decision,
    Outcome,
    Own,
    Policy,
    Postpone,
    PutBack,
    Verdict,
    decide,
    default_policy,
    under,
    with_limits,
)

_RAN = ("succeeded", "retry", "failed", "told", "refused")
_MOST_PRONOUNCED = (
    3  # times that recording a verdict is tried, when the process that should do it dies or fails
)


class Settler:
    """For the loop's thread, but for `policy_of`."""

    def __init__(self, context: LoopContext) -> None:
        self._worker = context.launch.worker
        self._connection = context.connection
        self._prefetch = context.prefetch
        self._stats = context.stats
        self._log = context.log
        self._random = context.random
        self._connection.put_aside = self.note_put_aside
        self._owns: dict[str, Own] = {}
        self._pronounced: dict[Delivery, int] = {}  # how often a verdict on them was to be recorded
        self.configure(context.settings.spec)

    def configure(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._policy = default_policy(spec)
        owns = with_limits(self._owns, spec)
        self._policies = {name: under(self._policy, own) for name, own in owns.items()}

    def learn(self, owns: dict[str, Own]) -> None:
        """What the app's tasks say of their policies."""
        self._owns = owns
        self._stats.statistics.learn(frozenset(owns))
        self.configure(self._spec)

    def set_rate(self, task: str, rate: str | None) -> None:
        """For good, as far as this worker goes."""
        self.learn({**self._owns, task: {**self._owns.get(task, {}), "rate_limit": rate}})

    def policy_of(self, delivery: Delivery) -> Policy:
        return self._policies.get(task_of(delivery), self._policy)

    def acks_first(self, delivery: Delivery) -> bool:
        """Whether the broker is told before its task has ended, as Celery does by default."""
        acks = self._spec.acks
        return (self.policy_of(delivery).acks if acks == "app" else acks) == "early"

    def verdict_on(self, delivery: Delivery, outcome: Outcome, *, acked: bool) -> Verdict | None:
        """What is to be recorded by a Celery app before it is settled, if so: its own process could not.

        Only such an app has a result backend, and others that wait for what becomes of a task.
        """
        known: Verdict | None = delivery.verdict
        if known is not None and not known.final:
            return None
        if known is not None:
            self._pronounced[delivery] = tries = self._pronounced.get(delivery, 0) + 1
            return known if outcome.kind in ("lost", "failed") and tries < _MOST_PRONOUNCED else None
        if outcome.told == "revoked" and outcome.kind == "lost":
            return Verdict("terminated", outcome.reason, signum=outcome.exit_signal or 0)
        if outcome.hard_limit_seconds is not None:
            return Verdict("timed out", outcome.reason, seconds=outcome.hard_limit_seconds)
        return self._verdict_on_loss(delivery, outcome, acked=acked) if outcome.kind == "lost" else None

    def _verdict_on_loss(self, delivery: Delivery, outcome: Outcome, *, acked: bool) -> Verdict:
        if acked or self.acks_first(delivery) or self.policy_of(delivery).on_loss == "record":
            return Verdict("lost", outcome.reason)
        attempt, most = attempts_of(delivery), self._spec.max_deliveries
        if not quarantine.has_used_up(attempt, most):
            return Verdict("lost", outcome.reason, final=False)
        return Verdict("given up", quarantine.after_a_death(outcome.reason, attempt, most))

    def too_often(self, delivery: Delivery) -> Verdict:
        """A message that has been handed out more often than it may be is not to run again."""
        return Verdict("given up", quarantine.why_given_up(attempts_of(delivery), self._spec.max_deliveries))

    def settle(
        self,
        delivery: Delivery,
        outcome: Outcome,
        *,
        acked: bool,
        since: float = 0.0,
        again: bool = False,
    ) -> None:
        """`acked`: before it ended, so that the broker has forgotten it. `again`: the broker had not heard of it.

        It has been in the pool `since`, monotonic.
        """
        if self._pronounced:
            self._pronounced.pop(delivery, None)
        if not again and outcome.kind in _RAN:
            self._prefetch.ended(outcome.wall_seconds, len(delivery.body))
        if outcome.told and not again:
            self._stats.told(outcome)
        if outcome.kind == "succeeded":
            if not again:
                self._stats.succeeded += 1
                self._stats.statistics.count(delivery, outcome, SUCCEEDED, since, self._stats.moment)
            if acked or ORIGIN_HEADER in delivery.headers:
                self._end_well(delivery, outcome, acked=acked)
            else:  # as nearly every message ends: no scheduler waits to hear of it
                self._connection.ack(delivery)
            return
        self._stats.expired += outcome.kind == "expired"
        decision = self._decide(delivery, outcome)
        if not again and (kind := _ended(outcome, decision)) is not None:
            if delivery.verdict is not None and delivery.verdict.seconds:  # it was ended for its time limit
                outcome = outcome._replace(wall_seconds=delivery.verdict.seconds)
            self._stats.statistics.count(delivery, outcome, kind, since, self._stats.moment)
        if outcome.kind == "told":
            self._end_well(delivery, outcome, acked=acked)
            return
        if acked and self._spec.is_celery:
            self._tell_apart(delivery, "failed", outcome.wall_seconds)
            self._log.warning(f"{label(delivery)}: {outcome.reason} (acknowledged before it ran)")
            return
        if delivery.verdict is not None and delivery.verdict.final and outcome.kind in ("lost", "failed"):
            reason = f"{delivery.verdict.reason}; that could not be recorded: {outcome.reason}"
            self._carry_out(Bury(reason, outcome.traceback, outcome.exit_signal), delivery)
            return
        self._carry_out(decision, delivery, counts=outcome.told != "rejected")

    def _end_well(self, delivery: Delivery, outcome: Outcome, *, acked: bool) -> None:
        """Done with, for its app has got what it wanted, or has recorded why not."""
        end = self._tell_apart if acked else self._done_with
        end(delivery, outcome.told or outcome.kind, outcome.wall_seconds)

    def _decide(self, delivery: Delivery, outcome: Outcome) -> Decision:
        return decide(
            outcome,
            self.policy_of(delivery),
            retries=retries_of(delivery),
            attempt=attempts_of(delivery),
            random=self._random,
        )

    def give_up(self, delivery: Delivery) -> None:
        """A message that has been handed out more often than it may be is not to run again."""
        reason = quarantine.why_given_up(attempts_of(delivery), self._spec.max_deliveries)
        self._count_unrun(delivery, Outcome("lost", reason), LOST)
        self._carry_out(Bury(reason), delivery)

    def refuse(self, delivery: Delivery) -> None:
        """Whoever unpacked it has found that it can't be run."""
        self._count_unrun(delivery, Outcome("rejected", delivery.fault), REJECTED)
        self._carry_out(Bury(delivery.fault), delivery)

    def _count_unrun(self, delivery: Delivery, outcome: Outcome, kind: int) -> None:
        now = time.monotonic()
        self._stats.statistics.count(delivery, outcome, kind, now, now)

    def put_aside(self, delivery: Delivery, error: Exception, *, acked: bool, unrun: bool = False) -> None:
        """Something has gone wrong in the worker itself that nobody foresaw. `acked`: the broker has forgotten it.

        `unrun`: before it could begin.
        """
        outcome = Bury(f"the worker could not handle it: {failure.reason(error)}", failure.trace(error))
        if unrun:
            self._count_unrun(delivery, Outcome("rejected", outcome.reason, outcome.traceback), REJECTED)
        try:
            if acked:
                self._log.error(f"{label(delivery)} is lost: {outcome.reason}", outcome.traceback)
            else:
                self._carry_out(outcome, delivery)
        except Exception as again:
            self._log.error(f"{label(delivery)} stays where it is: {failure.reason(again)}")

    def note_put_aside(self, delivery: Delivery, why: str) -> None:
        """The broker did not take it as it was to be handed on."""
        self._log.error(f"{label(delivery)} can't be handed on as it is, and is put aside: {why}")
        self._stats.failed += 1

    def _carry_out(self, decision: Decision, delivery: Delivery, *, counts: bool = True) -> None:
        """`counts`: among the failed, if it is put aside; what its own task has refused is counted by itself."""
        match decision:
            case Ack(note):
                self._log.warning(f"{label(delivery)} dropped: {note}")
                self._done_with(delivery, "expired")
            case PutBack(note, delay, counted) if not counted:
                delivery.headers[AGAIN_HEADER] = True
                if delay is None:
                    self._connection.retry(delivery, 0.0, retries_of(delivery))
                else:
                    self._log.warning(f"{label(delivery)} given back, for {delay:.1f}s: {note}")
                    self._connection.retry(delivery, delay, retries_of(delivery))
            case PutBack(note):
                self._log.warning(f"{label(delivery)} given back: {note}")
                delivery.headers[CRASHES_HEADER] = crashes_of(delivery) + 1
                self._connection.retry(delivery, 0.0, retries_of(delivery))
            case Postpone(delay, retries, note, trace):
                self._log.warning(f"{label(delivery)} failed: {note}", trace)
                self._stats.retried += 1
                self._connection.retry(delivery, delay, retries)
            case Bury(reason, trace, signum):
                self._log.error(f"{label(delivery)} failed for good: {reason}", trace)
                self._stats.failed += counts
                death = Death(reason, self._worker, time.time(), trace, signum)
                if word := scheduled.told(delivery, "failed", at=time.time()):
                    self._connection.dead_letter(delivery, death, word)
                else:
                    self._connection.dead_letter(delivery, death)

    def _done_with(self, delivery: Delivery, outcome: str, seconds: float | None = None) -> None:
        if word := scheduled.told(delivery, outcome, at=time.time(), seconds=seconds):
            self._connection.finish(delivery, word)
        else:
            self._connection.ack(delivery)

    def _tell_apart(self, delivery: Delivery, outcome: str, seconds: float) -> None:
        """Of what was acknowledged before: a scheduler, if one has sent it, hears how it ended all the same."""
        if word := scheduled.told(delivery, outcome, at=time.time(), seconds=seconds):
            try:
                scheduled.tell(word, self._spec.broker)
            except BrokerUnavailable as error:
                self._log.warning(f"{label(delivery)}: its scheduler can't be told of its end: {error}")


# What a Celery app has recorded itself.
_TOLD = {
    "succeeded": SUCCEEDED,
    "ignored": SUCCEEDED,
    "failed": FAILED,
    "retried": RETRIED,
    "expired": EXPIRED,
}


def _ended(outcome: Outcome, decision: Decision) -> int | None:
    """As which of OUTCOMES it counts; None for what has only been put back."""
    match outcome.kind:
        case "told" | "refused":
            return _TOLD.get(outcome.told, REJECTED)
        case "rejected":
            return REJECTED
        case "expired":
            return EXPIRED
        case "lost":
            return LOST
        case "put back":
            return None
    return RETRIED if isinstance(decision, Postpone) else FAILED
