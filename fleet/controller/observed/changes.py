"""The changes of workers between two looks at the fleet, in lines for the event log. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.controller.log.event_line import EventLine
from fleet.controller.log.humanize import ending, last_words
from fleet.controller.observed.observe import Observation, SeenWorker, State
from fleet.duration_words import measured
from fleet.supervisor.client import Program


def worker_changes(before: Observation, after: Observation, began: float = 0.0) -> Iterator[EventLine]:
    """Readiness, crashes, drains, silence, and trouble with the broker, per worker.

    `began`: when this controller did, in monotonic seconds.
    """
    known = {worker.name: worker for worker in before.workers}
    for worker in after.workers:
        was, program = known.pop(worker.name, None), after.programs[worker.name]
        program_before = before.programs.get(worker.name)
        yield from _exit(program_before, program, worker)
        same_process = program_before is not None and program_before.pid == program.pid
        if was is None or was.state is not worker.state or not same_process:
            yield from _state(worker, after, began)
        yield from _broker(before.report(was) if was else None, after.report(worker), worker)
        if worker.absorbed and not (was and was.absorbed and same_process):
            yield (
                "WARNING",
                f"{worker.worker} (pid {worker.pid}) does not report, and is left alone: {worker.absorbed}",
            )
        if worker.recycle and not (was and was.recycle and same_process):
            yield "INFO", f"{worker.worker} asks to be replaced: {worker.recycle}"
    for gone in known.values():
        yield "INFO", f"{gone.worker} is gone (pid {before.programs[gone.name].pid})"


def _exit(was: Program | None, program: Program, worker: SeenWorker) -> Iterator[EventLine]:
    last = program.last_exit
    if was is None or last is None or last == was.last_exit or worker.leaving:
        return
    if not worker.crashed:
        yield (
            "INFO",
            f"{worker.worker} ended as planned after {measured(last.uptime_seconds)}, starting again",
        )
        return
    wait = program.retry_in_seconds
    again = "starting again" if not wait else f"trying again in {measured(wait)}"
    yield "WARNING", f"{worker.worker} {ending(last)}, {again}{last_words(last)}"


def _state(worker: SeenWorker, observation: Observation, began: float) -> Iterator[EventLine]:
    pid = observation.programs[worker.name].pid
    match worker.state:
        case State.READY:
            took = max(0.0, (worker.ready_since or observation.now) - worker.started)
            # A worker of an earlier controller's time may have been ready for long.
            how = f" in {measured(took)}" if worker.started >= began else ""
            yield "INFO", f"{worker.worker} ready{how} (pid {pid})"
        case State.STOPPING:
            yield "INFO", f"{worker.worker} draining (pid {pid})"
        case State.SILENT:
            yield "WARNING", f"{worker.worker} (pid {pid}) has stopped reporting"
        case State.TROUBLED:
            yield "WARNING", f"{worker.worker} (pid {pid}) is in trouble: {worker.trouble}"
        case State.FAILED:
            yield "ERROR", f"{worker.worker} keeps failing; it is tried again every half minute or so"


def _broker(was: object, report: object, worker: SeenWorker) -> Iterator[EventLine]:
    before, now = getattr(was, "broker_error", None), getattr(report, "broker_error", None)
    if now and not before:
        yield "WARNING", f"{worker.worker} has lost the broker: {now}"
    elif before and not now and report is not None:
        yield "INFO", f"{worker.worker} has the broker again"
    refused_before, refused = getattr(was, "refused", None), getattr(report, "refused", None)
    if refused and not refused_before:
        yield "WARNING", f"{worker.worker} can't hand on messages: {refused}"
    elif refused_before and not refused and report is not None:
        yield "INFO", f"{worker.worker} hands on messages again"
