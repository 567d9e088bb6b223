"""Record how a delivery ended that did not succeed, in the process that runs tasks: backend, chord, errbacks, signals.

Some of it the tracer has recorded already (a failure, a retry) and only the message's fate is asked for; the rest is
a verdict of the loop (a process that died, a time limit, a revocation), which itself never touches a result backend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from billiard.exceptions import Terminated
from celery import states
from celery.exceptions import NotRegistered, Reject, WorkerLostError
from kombu.exceptions import OperationalError

from fleet.broker.delivery import Delivery
from fleet.celery import signals
from fleet.celery.message import Called, request_of
from fleet.celery.requests import Answer, Message, UnreadMessage, make_request
from fleet.celery.stored_success import was_stored
from fleet.worker import failure
from fleet.worker.outcome import Outcome, Told, Verdict

if TYPE_CHECKING:
    from celery import Celery


_AGAIN_SECONDS = 5.0
_TOLD: dict[str, Told] = {
    states.RETRY: "retried",
    states.IGNORED: "ignored",
    states.REJECTED: "rejected",
    states.FAILURE: "failed",
}
_HAD_SUCCEEDED = Outcome("told", "it had succeeded", told="succeeded")


class Recorder:
    """Of one worker; from several threads at once."""

    def __init__(self, app: Celery, node_name: str) -> None:
        self._app = app
        self._node_name = node_name
        self.connection_errors: tuple[type[BaseException], ...] = (
            OperationalError,
            ConnectionError,
            TimeoutError,
            *app.connection_for_write().recoverable_connection_errors,
            *app.connection_for_write().recoverable_channel_errors,
            *_backend_errors(app),
        )

    # What the tracer has recorded

    def unsuccessful(
        self, task: Any, called: Called, delivery: Delivery, info: Any, returned: Any
    ) -> Outcome:
        """`info` and `returned` are the tracer's: the state with what was raised, and an ExceptionInfo."""
        state, raised = info.state, info.retval
        reason = failure.reason(raised) if isinstance(raised, BaseException) else str(raised)
        if isinstance(raised, Reject) and not raised.requeue:
            cause = raised.reason
            if isinstance(cause, BaseException) and isinstance(cause, self.connection_errors):
                # A retry that could not be sent, for one. Celery gives the task up for good then.
                return Outcome("put back", failure.reason(cause), delay_seconds=_AGAIN_SECONDS)
        request, answer = make_request(self._app, task, called, delivery, self._node_name)
        request.on_success((1, returned, 0.0))
        return self._outcome(answer, _TOLD.get(state, "failed"), reason)

    def _outcome(self, answer: Answer, told: Told, reason: str) -> Outcome:
        if answer.requeue:
            return Outcome("put back", reason)
        if answer.requeue is False:
            return Outcome("refused", reason, told=told)
        return Outcome("told", reason, told=told)

    def ended_its_process(
        self, task: Any, called: Called, delivery: Delivery, error: BaseException | None
    ) -> Outcome:
        """The outcome of a task that raised SystemExit or KeyboardInterrupt: under Celery its process would be gone."""
        status = getattr(error, "code", None)
        return self._lost(task, called, delivery, f"Worker exited prematurely: exitcode {status or 0}.")

    # What has not begun

    def received(self, task: Any, called: Called, delivery: Delivery) -> None:
        request, _ = make_request(self._app, task, called, delivery, self._node_name)
        signals.task_received.send(sender=self, request=request)

    def expired(self, task: Any, called: Called, delivery: Delivery) -> Outcome:
        request, _ = make_request(self._app, task, called, delivery, self._node_name)
        request._announce_revoked("expired", False, None, True)
        return Outcome("told", "expired", told="expired")

    def malformed(self, delivery: Delivery, error: Exception, reason: str, trace: str = "") -> Outcome:
        message = UnreadMessage(delivery)
        signals.send(signals.task_rejected, self, message=message, exc=error)
        return Outcome("rejected", reason, trace)

    def unknown(self, called: Called, delivery: Delivery) -> Outcome:
        """As Celery does, the failure is stored: else whoever waits for the result waits for ever."""
        message = Message(called, delivery)
        error = NotRegistered(called.name)
        context = _context(request_of(called, delivery, self._node_name))
        self._app.backend.mark_as_failure(called.id, error, request=context)
        signals.send(signals.task_unknown, self, message=message, exc=error, name=called.name, id=called.id)
        shown = sorted(name for name in self._app.tasks if not name.startswith("celery."))
        known = ", ".join(shown[:5]) + (", …" if len(shown) > 5 else "")
        reason = f"unknown task {called.name!r}: the app has {known or 'no task of its own'}"
        return Outcome("refused", reason, told="unknown")

    # What the loop has found

    def pronounce(self, verdict: Verdict, task: Any, called: Called, delivery: Delivery) -> Outcome:
        match verdict.kind:
            case "timed out":
                return self.timed_out(task, called, delivery, verdict.seconds)
            case "revoked":
                return self._revoked(task, called, delivery)
            case "terminated":
                return self.terminated(task, called, delivery, verdict.signum)
            case "given up":
                return self._given_up(verdict, task, called, delivery)
            case "lost":
                return self._process_died(verdict, task, called, delivery)

    def _revoked(self, task: Any, called: Called, delivery: Delivery) -> Outcome:
        request, _ = make_request(self._app, task, called, delivery, self._node_name)
        request._announce_revoked("revoked", False, None, False)
        return Outcome("told", "revoked", told="revoked")

    def _given_up(self, verdict: Verdict, task: Any, called: Called, delivery: Delivery) -> Outcome:
        request, _ = make_request(self._app, task, called, delivery, self._node_name)
        self._record(request, task, WorkerLostError(verdict.reason))
        return Outcome("refused", verdict.reason, told="failed")

    def _process_died(self, verdict: Verdict, task: Any, called: Called, delivery: Delivery) -> Outcome:
        if verdict.final:
            return self._lost(task, called, delivery, verdict.reason)
        request, _ = make_request(self._app, task, called, delivery, self._node_name)
        if was_stored(request):
            return _HAD_SUCCEEDED
        return Outcome("lost", verdict.reason)

    def timed_out(self, task: Any, called: Called, delivery: Delivery, seconds: float) -> Outcome:
        request, answer = make_request(self._app, task, called, delivery, self._node_name)
        request.on_timeout(False, seconds)
        return self._outcome(answer, "failed", f"time limit {seconds:g}s exceeded")

    def terminated(self, task: Any, called: Called, delivery: Delivery, signum: int) -> Outcome:
        request, _ = make_request(self._app, task, called, delivery, self._node_name)
        request._announce_revoked("terminated", True, str(Terminated(signum)), False)
        return Outcome("told", "terminated", told="revoked")

    def _lost(self, task: Any, called: Called, delivery: Delivery, reason: str) -> Outcome:
        from billiard.einfo import ExceptionInfo

        request, answer = make_request(self._app, task, called, delivery, self._node_name)
        if was_stored(request):
            return _HAD_SUCCEEDED
        try:
            raise WorkerLostError(reason)
        except WorkerLostError:
            request.on_failure(ExceptionInfo())
        return self._outcome(answer, "failed", reason)

    def _record(self, request: Any, task: Any, error: Exception) -> None:
        """A failure, whatever the task says of messages whose process has died."""
        if was_stored(request):
            return
        context = request._context
        task.backend.mark_as_failure(request.id, error, request=context, store_result=request.store_errors)
        from celery import signals as celery_signals

        celery_signals.task_failure.send(
            sender=task,
            task_id=request.id,
            exception=error,
            args=request.args,
            kwargs=request.kwargs,
            traceback=None,
            einfo=None,
        )


def _context(request: dict[str, Any]) -> Any:
    from celery.app.task import Context

    return Context(request)


def _backend_errors(app: Celery) -> tuple[type[BaseException], ...]:
    """What this result backend raises when it can't be reached."""
    from celery.exceptions import BackendError

    errors: Any = getattr(app.backend, "connection_errors", ())
    return (BackendError, *(each for each in errors if isinstance(each, type)))
