"""How deliveries end: what the outcome makes of the message, told to the broker, the log and the tally."""

from __future__ import annotations

import time
from collections.abc import Callable

from fleet.broker.delivery import Death, Delivery
from fleet.broker.reposting import CRASHES_HEADER
from fleet.spec import WorkerLaunch, WorkerSpec
from fleet.worker.headers import attempts_of, crashes_of, label, retries_of, task_of
from fleet.worker.log import Log
from fleet.worker.outcome import (
    Ack,
    Bury,
    Decision,
    Outcome,
    Own,
    Policy,
    Postpone,
    PutBack,
    decide,
    default_policy,
    under,
)
from fleet.worker.prefetch import Prefetch
from fleet.worker.tally import Tally
from fleet.worker.uplink import Uplink


class Settler:
    """For the loop's thread, but for `policy_of`."""

    def __init__(
        self,
        *,
        launch: WorkerLaunch,
        uplink: Uplink,
        prefetch: Prefetch,
        tally: Tally,
        log: Log,
        random: Callable[[], float],
    ) -> None:
        self._worker = launch.worker
        self._uplink = uplink
        self._prefetch = prefetch
        self._tally = tally
        self._log = log
        self._random = random
        self._owns: dict[str, Own] = {}
        self.configure(launch.spec)

    def configure(self, spec: WorkerSpec) -> None:
        self._spec = spec
        self._policy = default_policy(spec)
        self._policies = {name: under(self._policy, own) for name, own in self._owns.items()}

    def learn(self, owns: dict[str, Own]) -> None:
        """What the app's tasks say of their policies."""
        self._owns = owns
        self.configure(self._spec)

    def policy_of(self, delivery: Delivery) -> Policy:
        return self._policies.get(task_of(delivery), self._policy)

    def settle(self, delivery: Delivery, outcome: Outcome, *, acked: bool) -> None:
        """`acked`: before it ran, so that the broker has forgotten it."""
        if outcome.kind in ("succeeded", "retry", "failed"):
            self._tally.count(task_of(delivery), outcome)
            self._prefetch.ended(outcome.wall_seconds)
        if outcome.kind == "succeeded":
            if not acked:
                self._uplink.ack(delivery)
            return
        decision = decide(
            outcome,
            self.policy_of(delivery),
            retries=retries_of(delivery),
            attempt=attempts_of(delivery),
            max_deliveries=self._spec.max_deliveries,
            random=self._random,
        )
        self._carry_out(decision, delivery)

    def give_up(self, delivery: Delivery) -> None:
        """It has been handed out more often than it may be, and is not to run again."""
        most, attempts = self._spec.max_deliveries, attempts_of(delivery)
        never = "its worker died of it, or was killed, each time"
        reason = f"handed out {attempts} times without an end ({never}); max_deliveries is {most}"
        self._carry_out(Bury(reason), delivery)

    def _carry_out(self, decision: Decision, delivery: Delivery) -> None:
        match decision:
            case Ack(note):
                self._log.warning(f"{label(delivery)} dropped: {note}")
                self._uplink.ack(delivery)
            case PutBack(note):
                self._log.warning(f"{label(delivery)} given back: {note}")
                delivery.headers[CRASHES_HEADER] = crashes_of(delivery) + 1
                self._uplink.retry(delivery, 0.0, retries_of(delivery))
            case Postpone(delay, retries, note, trace):
                self._log.warning(_with_trace(f"{label(delivery)} failed: {note}", trace))
                self._tally.retried += 1
                self._uplink.retry(delivery, delay, retries)
            case Bury(reason, trace, signum):
                self._log.error(_with_trace(f"{label(delivery)} failed for good: {reason}", trace))
                self._tally.failed += 1
                death = Death(reason, self._worker, time.time(), trace, signum)
                self._uplink.dead_letter(delivery, death)


def _with_trace(line: str, trace: str | None) -> str:
    return f"{line}\n{trace}" if trace else line
