"""Run one delivery to its outcome: decode, find the task, apply its limits, call it, measure it.

The same for every pool; what differs is handed in: how a pool breaks off a task that takes too long, and the
clock that shows the CPU time of one task.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from os import getpid
from typing import Any, Literal, NamedTuple

from fleet.broker.delivery import Delivery
from fleet.clock import time
from fleet.protocol import MOST_BYTES, Call, MalformedMessage, decode
from fleet.protocol.fields import LONGEST_SECONDS
from fleet.protocol.words import cut, shown
from fleet.tasks import Current, Retry, hooks, running, trace_context
from fleet.tasks.durations import checked
from fleet.tasks.hooks import Ended
from fleet.worker import django_db, failure, forks
from fleet.worker.errors import CantAwait
from fleet.worker.outcome import Outcome, Own, Policy, under

# An awaitable, the label of its message, what hears of leftovers: run it to its end.
Await = Callable[[Any, str, Callable[[str], None]], None]
# (soft, hard) seconds → a context that raises SoftTimeLimitExceeded or TimeLimitExceeded inside its block.
Limits = Callable[[float | None, float | None], AbstractContextManager[object]]


class Target(NamedTuple):
    """A task as the worker sees it."""

    function: Callable[..., Any]
    policy: Policy
    own: Own


SUCCEEDED = Outcome("succeeded")


def be_silent(_text: str) -> None:
    """For whoever has no log."""


class RunOptions(NamedTuple):
    """How a pool runs tasks: what differs from pool to pool.

    `thread_ends`: the (green) thread that calls `run` ends after it. `note` hears what a task has left behind.
    `wait_for`: how to run a coroutine, if not in an event loop of this thread.
    """

    limits: Limits
    cpu_clock: Callable[[], float] = time.thread_time
    thread_ends: bool = False
    note: Callable[[str], None] = be_silent
    wait_for: Await | None = None


class Executor:
    """Runs deliveries of one worker; safe to call from several threads or green threads at once."""

    def __init__(
        self,
        targets: Mapping[str, Target],
        options: RunOptions,
        *,
        accept: tuple[str, ...],
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """`most_bytes`: of one body, decompressed."""
        self._targets = targets
        self._accept = accept
        self._most_bytes = most_bytes
        self._limits = options.limits
        self._cpu_clock = options.cpu_clock
        self._pid = getpid()
        self._thread_ends = options.thread_ends
        self._note = options.note
        self._wait_for = options.wait_for

    def configure(self, group: Policy) -> None:
        """From now on this is the policy of tasks that don't name their own."""
        self._targets = {
            name: target._replace(policy=under(group, target.own)) for name, target in self._targets.items()
        }

    def run(self, delivery: Delivery) -> Outcome:
        """Never raises: whoever runs it would end, and with it a slot of the pool, or the worker."""
        try:
            found = self._find(delivery)
            return found if isinstance(found, Outcome) else self._call(*found, delivery)
        except BaseException as error:  # nobody foresaw it: another time it may go better, as without memory
            return Outcome("failed", failure.reason(error), failure.trace(error))

    def _find(self, delivery: Delivery) -> Outcome | tuple[Target, Call]:
        """What to call and with what; or why that is not to be."""
        try:
            call = decode(delivery, accept=self._accept, most_bytes=self._most_bytes)
        except MalformedMessage as error:
            return Outcome("rejected", f"malformed message: {error}")
        except MemoryError:
            raise
        except Exception as error:  # a shape that nobody foresaw will be the same the next time
            return Outcome("rejected", f"can't be read: {failure.reason(error)}", failure.trace(error))
        target = self._targets.get(call.task)
        if target is None:
            return Outcome("rejected", f"unknown task {shown(call.task)}: {self._what_is_known()}")
        if call.expires is not None and call.expires <= time.time():
            return Outcome("expired", f"expired {time.time() - call.expires:.1f}s ago")
        return target, call

    def _call(self, target: Target, call: Call, delivery: Delivery) -> Outcome:
        soft, hard = limits_of(call, target.policy)
        began, cpu_began = time.monotonic(), self._cpu_clock()
        current = current_of(call, delivery, hard or soft)
        token = running.set(current)
        django_db.close_stale()
        raised: BaseException | None = None
        outcome: Outcome | None = None
        try:
            for starting in hooks.task_start:
                starting(current)
            if trace_context.is_wanted():
                span = trace_context.task_span(
                    delivery.headers, task=call.task, ident=call.id, queue=delivery.queue
                )
                with span, self._limits(soft, hard) if soft or hard else nullcontext():
                    self._invoke(target, call)
            elif soft or hard:
                with self._limits(soft, hard):
                    self._invoke(target, call)
            else:
                self._invoke(target, call)
            # A copy that the task has forked must not go on: that would bring a second worker to life.
            if getpid() != self._pid:
                forks.end_copy(None)
        except BaseException as error:  # SystemExit and GreenletExit too: a task must not end its worker
            if getpid() != self._pid:
                forks.end_copy(error)
            raised = error
            outcome = of_exception(error, target, call)
        finally:
            if hooks.task_end:
                tell_end(current, raised, time.monotonic() - began)
            running.reset(token)
            django_db.let_go(thread_ends=self._thread_ends)
        now, cpu = time.monotonic(), self._cpu_clock() - cpu_began
        if outcome is None:
            return Outcome("succeeded", wall_seconds=now - began, cpu_seconds=cpu, ended_at=now)
        return outcome._replace(wall_seconds=now - began, cpu_seconds=cpu, ended_at=now)

    def _invoke(self, target: Target, call: Call) -> None:
        result = target.function(*call.args, **call.kwargs)
        if result is not None and hasattr(type(result), "__await__"):  # nobody else would ever run it
            if self._wait_for is None:
                from fleet.worker.coroutines.runner import run

                self._wait_for = run
            self._wait_for(result, f"{call.task}[{call.id}]", self._note)

    def _what_is_known(self) -> str:
        names = sorted(self._targets)
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        return f"the app has {shown}" if names else "the app has no task at all"


def tell_end(current: Current, raised: BaseException | None, seconds: float) -> None:
    """What is called after each task."""
    kind: Literal["succeeded", "failed", "retry"] = "failed"
    if raised is None or isinstance(raised, Retry):
        kind = "succeeded" if raised is None else "retry"
    for ending in hooks.task_end:
        try:
            ending(current, Ended(kind, raised, seconds))
        except Exception:
            import logging

            logging.getLogger("fleet").exception(
                "on_task_end: %s failed", getattr(ending, "__name__", ending)
            )


def limits_of(call: Call, policy: Policy) -> tuple[float | None, float | None]:
    """(soft, hard) seconds: what the message says, else the policy."""
    soft = policy.soft_time_limit_seconds if call.soft_time_limit is None else call.soft_time_limit
    hard = policy.time_limit_seconds if call.time_limit is None else call.time_limit
    if soft is None and hard is None:
        return None, None
    return _settable(soft), _settable(hard)


def _settable(seconds: float | None) -> float | None:
    """No clock or timer takes longer ones."""
    return None if seconds is None else min(seconds, LONGEST_SECONDS)


def current_of(call: Call, delivery: Delivery, limit: float | None) -> Current:
    return Current(
        id=call.id,
        task=call.task,
        attempt=call.retries + 1,
        queue=delivery.queue,
        redelivered=delivery.redelivered,
        deadline=None if limit is None else time.time() + limit,
        trace=trace_context.incoming(delivery.headers) if "traceparent" in delivery.headers else None,
    )


def of_exception(error: BaseException, target: Target, call: Call) -> Outcome:
    if isinstance(error, Retry):
        try:
            delay = checked(error.delay_seconds, "delay")
        except ValueError as wrong:  # set by hand, or by a subclass
            return Outcome("failed", failure.reason(wrong), failure.trace(error))
        return Outcome("retry", failure.reason(error), failure.trace(error), delay)
    if isinstance(error, CantAwait):
        return Outcome("rejected", cut(str(error), failure.LONGEST_REASON))
    if isinstance(error, TypeError) and (mismatch := _mismatch(target.function, call)):
        why = f"{call.task} can't be called with these arguments: {mismatch}"
        return Outcome("rejected", cut(why, failure.LONGEST_REASON))
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
