"""Run one delivery to its outcome: decode, find the task, apply its limits, call it, measure it.

The same for every pool; what differs is handed in: how a pool breaks off a task that takes too long, and the
clock that shows the CPU time of one task.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

from fleet.broker.delivery import Delivery
from fleet.protocol import Call, MalformedMessage, decode
from fleet.tasks import Current, Retry, running
from fleet.worker import failure
from fleet.worker.outcome import Outcome, Own, Policy, under

# (soft, hard) seconds → a context that raises SoftTimeLimitExceeded or TimeLimitExceeded inside its block.
Limits = Callable[[float | None, float | None], AbstractContextManager[object]]


class Target(NamedTuple):
    """A task as the worker sees it."""

    function: Callable[..., Any]
    policy: Policy
    own: Own


_SUCCEEDED = Outcome("succeeded")


class Executor:
    """Runs deliveries of one worker; safe to call from several threads or green threads at once."""

    def __init__(
        self,
        targets: Mapping[str, Target],
        *,
        accept: tuple[str, ...],
        limits: Limits,
        cpu_clock: Callable[[], float] = time.thread_time,
    ) -> None:
        self._targets = targets
        self._accept = accept
        self._limits = limits
        self._cpu_clock = cpu_clock

    def configure(self, group: Policy) -> None:
        """From now on this is the policy of tasks that don't name their own."""
        self._targets = {
            name: target._replace(policy=under(group, target.own)) for name, target in self._targets.items()
        }

    def run(self, delivery: Delivery) -> Outcome:
        try:
            call = decode(
                delivery.headers,
                delivery.body,
                content_type=delivery.content_type,
                content_encoding=delivery.content_encoding,
                accept=self._accept,
            )
        except MalformedMessage as error:
            return Outcome("rejected", f"malformed message: {error}")
        target = self._targets.get(call.task)
        if target is None:
            return Outcome("rejected", f"unknown task {call.task!r}: {self._what_is_known()}")
        if call.expires is not None and call.expires <= time.time():
            return Outcome("expired", f"expired {time.time() - call.expires:.1f}s ago")
        return self._call(target, call, delivery)

    def _call(self, target: Target, call: Call, delivery: Delivery) -> Outcome:
        soft, hard = limits_of(call, target.policy)
        began, cpu_began = time.monotonic(), self._cpu_clock()
        token = running.set(_current(call, delivery, hard or soft))
        try:
            if soft or hard:
                with self._limits(soft, hard):
                    target.function(*call.args, **call.kwargs)
            else:
                target.function(*call.args, **call.kwargs)
            outcome = _SUCCEEDED
        except BaseException as error:  # SystemExit and GreenletExit too: a task must not end its worker
            outcome = _of_exception(error, target, call)
        finally:
            running.reset(token)
        wall, cpu = time.monotonic() - began, self._cpu_clock() - cpu_began
        return outcome._replace(wall_seconds=wall, cpu_seconds=cpu)

    def _what_is_known(self) -> str:
        names = sorted(self._targets)
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        return f"the app has {shown}" if names else "the app has no task at all"


def limits_of(call: Call, policy: Policy) -> tuple[float | None, float | None]:
    """(soft, hard) seconds: what the message says, else the policy."""
    soft = policy.soft_time_limit_seconds if call.soft_time_limit is None else call.soft_time_limit
    hard = policy.time_limit_seconds if call.time_limit is None else call.time_limit
    return soft, hard


def _current(call: Call, delivery: Delivery, limit: float | None) -> Current:
    return Current(
        id=call.id,
        task=call.task,
        attempt=call.retries + 1,
        queue=delivery.queue,
        redelivered=delivery.redelivered,
        deadline=None if limit is None else time.time() + limit,
    )


def _of_exception(error: BaseException, target: Target, call: Call) -> Outcome:
    if isinstance(error, Retry):
        return Outcome("retry", failure.reason(error), failure.trace(error), error.delay_seconds)
    if isinstance(error, TypeError) and (mismatch := _mismatch(target.function, call)):
        return Outcome("rejected", f"{call.task} can't be called with these arguments: {mismatch}")
    return Outcome("failed", failure.reason(error), failure.trace(error))


def _mismatch(function: Callable[..., Any], call: Call) -> str:
    """Why the arguments don't fit the signature; "" when they do. Only asked after a TypeError."""
    try:
        inspect.signature(function).bind(*call.args, **call.kwargs)
    except TypeError as error:
        return str(error)
    except ValueError:  # no signature: something written in C
        pass
    return ""
