"""Run one delivery of a Celery app: Celery's tracer runs the task and records what becomes of it.

Success, failure, retry, chord, callbacks: the tracer has recorded them when it returns, and fleet's own retries don't
come into it. What is left is what becomes of the message; that is as Celery decides it (`celery/worker/request.py`).
"""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

from fleet.broker.delivery import Delivery
from fleet.celery import message, signals
from fleet.celery.stand_in import node_name
from fleet.celery.tracing import build, limiting
from fleet.celery.verdicts import Recorder
from fleet.clock import time
from fleet.protocol import MalformedMessage
from fleet.protocol.fields import from_iso, limits
from fleet.worker import failure
from fleet.worker.app import AppSpec, Runner
from fleet.worker.execution import RunOptions
from fleet.worker.limits import TaskTerminated, TimeLimitExceeded
from fleet.worker.outcome import Outcome, Policy

if TYPE_CHECKING:
    from celery import Celery

_AGAIN_SECONDS = (
    5.0  # after this a task runs again whose end could not be recorded, or whose retry not be sent
)


class CeleryRunner:
    """Tasks that are no Celery task of the app are `native`'s, if it has them."""

    def __init__(
        self,
        app: Celery,
        spec: AppSpec,
        native: Runner,
        native_names: frozenset[str],
        options: RunOptions,
    ) -> None:
        self._app = app
        self._tasks = app.tasks
        self._native = native
        self._native_names = native_names
        self._node_name = node_name(spec.worker)
        self._most_bytes = spec.most_bytes
        self._take_on(Policy(*spec.policy))
        self._limits = options.limits
        self._cpu_clock = options.cpu_clock
        self._accept = tuple(app.conf.accept_content)
        self._recorder = Recorder(app, self._node_name)

    def configure(self, group: Policy) -> None:
        self._take_on(group)
        self._native.configure(group)

    def _take_on(self, group: Policy) -> None:
        self._group = group
        self._limits_set = {task: (soft, hard) for task, soft, hard in group.task_limits}

    def run(self, delivery: Delivery) -> Outcome:
        if delivery.headers.get("task") in self._native_names and delivery.headers["task"] not in self._tasks:
            return self._native.run(delivery)
        try:
            return self._run(delivery)
        except BaseException as error:  # nobody foresaw it: another time it may go better
            return self._unexpected(error)

    def _unexpected(self, error: BaseException) -> Outcome:
        """Outside of the tracer, or out of it: a result backend that can't be reached, for one."""
        reason = f"its end could not be recorded: {failure.reason(error)}"
        if isinstance(error, self._recorder.connection_errors):
            return Outcome("put back", reason, failure.trace(error), _AGAIN_SECONDS)
        return Outcome("lost", reason, failure.trace(error))

    def _run(self, delivery: Delivery) -> Outcome:
        try:
            called = message.read(delivery, self._accept, self._most_bytes)
            expires = from_iso("expires", called.headers.get("expires"))
            hard, soft = limits(called.headers.get("timelimit"))
        except MalformedMessage as error:
            return self._recorder.malformed(delivery, error, f"malformed message: {error}")
        except MemoryError:
            raise
        except Exception as error:  # a shape that nobody foresaw will be the same the next time
            reason = f"can't be read: {failure.reason(error)}"
            return self._recorder.malformed(delivery, error, reason, failure.trace(error))
        try:
            task = self._tasks[called.name]
        except KeyError:  # Celery's NotRegistered
            return self._recorder.unknown(called, delivery)
        request = message.request_of(called, delivery, self._node_name)
        if delivery.verdict is not None:
            return self._recorder.pronounce(delivery.verdict, task, called, delivery)
        if expires is not None and expires <= time.time():
            return self._recorder.expired(task, called, delivery)
        if signals.task_received.receivers:
            self._recorder.received(task, called, delivery)
        own = self._limits_set.get(called.name) or (task.soft_time_limit, task.time_limit)
        soft = soft or own[0] or self._group.soft_time_limit_seconds
        hard = hard or own[1] or self._group.time_limit_seconds
        return self._trace(task, called, request, delivery, (soft, hard))

    def _acks_first(self, task: Any) -> bool:
        return self._group.acks == "early" or (self._group.acks == "app" and not task.acks_late)

    def _trace(
        self,
        task: Any,
        called: message.Called,
        request: dict[str, Any],
        delivery: Delivery,
        within: tuple[float | None, float | None],
    ) -> Outcome:
        soft, hard = within
        tracer = task.__trace__ or build(called.name, task, self._app, self._node_name)
        if delivery.on_begin is not None and self._acks_first(task):
            delivery.on_begin()
        token = limiting.set((self._limits, soft, hard) if soft or hard else None)
        began, cpu_began = time.monotonic(), self._cpu_clock()
        try:
            returned, info, _runtime, shown = tracer(called.id, called.args, called.kwargs, request)
        except TimeLimitExceeded:
            return self._recorder.timed_out(task, called, delivery, hard or 0.0)
        except TaskTerminated:
            return self._recorder.terminated(task, called, delivery, signal.SIGTERM)
        except (SystemExit, KeyboardInterrupt):
            return self._recorder.ended_its_process(task, called, delivery, sys.exc_info()[1])
        finally:
            limiting.reset(token)
        wall, cpu = time.monotonic() - began, self._cpu_clock() - cpu_began
        if info is None:
            outcome = (
                _SUCCEEDED if not self._group.tells_results else Outcome("succeeded", result=shown or "None")
            )
        else:
            outcome = self._recorder.unsuccessful(task, called, delivery, info, returned)
        return outcome._replace(wall_seconds=wall, cpu_seconds=cpu)


_SUCCEEDED = Outcome("succeeded")
