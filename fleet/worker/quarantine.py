"""The quarantine: which message runs alone, and which is given up, for its workers or their processes have died.

What may have killed its worker runs alone, for its last chance to show that it does not.

Counting deaths can't tell who killed a worker: whatever it held is counted. So a message is given up only after
a death for which nobody else can be to blame. Until then it never waits beside something that runs. See
docs/decisions/0052.
"""

from __future__ import annotations

from fleet.broker.delivery import Delivery
from fleet.broker.reposting import CRASHES_HEADER
from fleet.launch_specs import WorkerSpec
from fleet.worker.headers import attempts_of

# What was set aside waits for a moment in which the worker has nothing else; no longer than this, then one is made.
MAKE_ROOM_SECONDS = 5.0


def has_used_up(attempt: int, max_deliveries: int) -> bool:
    """Whether the death of a pool process, which is known to have run it, was the last that a message may cost."""
    return attempt >= max_deliveries


def after_a_death(reason: str, attempt: int, max_deliveries: int) -> str:
    """Of the pool process that ran it, in words: what died, and how much of its deliveries a message has used up."""
    if has_used_up(attempt, max_deliveries):
        return f"{reason} (delivery {attempt}, max_deliveries is {max_deliveries})"
    return f"{reason} (delivery {attempt} of {max_deliveries})"


def why_given_up(attempts: int, max_deliveries: int) -> str:
    """Of a message for which `is_given_up` holds, in words."""
    never = "its worker died, or was killed, each time; the last time it ran alone"
    return f"handed out {attempts - 1} times without an end ({never}); max_deliveries is {max_deliveries}"


def culprit_known(spec: WorkerSpec) -> bool:
    """Whether a task runs in a process of its own, so that its death is known to be its message's."""
    return spec.pool == "prefork"


def is_first(delivery: Delivery) -> bool:
    """Whether it has never been handed out before: it is not given up, and need not run alone.

    Looked at first, for nearly every message passes here and is one of these.
    """
    return delivery.attempt < 2 and not delivery.alone and CRASHES_HEADER not in delivery.headers


def must_run_alone(delivery: Delivery, spec: WorkerSpec) -> bool:
    if delivery.alone:
        return True
    if culprit_known(spec) and delivery.attempt < 2:
        return False  # its own count is of pool processes that it has ended
    return attempts_of(delivery) == spec.last_attempt


def is_given_up(delivery: Delivery, spec: WorkerSpec) -> bool:
    """Whether it has been handed out too often to run once more."""
    if delivery.alone and delivery.attempt < 2:
        return False  # whatever was counted before: it has not run alone
    if culprit_known(spec) and delivery.attempt < 2:
        return attempts_of(delivery) > spec.max_deliveries
    return attempts_of(delivery) > spec.last_attempt
