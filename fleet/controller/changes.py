"""What happened between two looks at the fleet, in lines for the event log. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fleet.controller.desired import Accepted, Group
from fleet.controller.observe import Scene, SeenWorker, State
from fleet.controller.progress import RolloutView
from fleet.controller.words import ending, last_words, seconds
from fleet.supervisor.client import Program

Line = tuple[str, str]
"""Level and message."""


def worker_changes(before: Scene, after: Scene) -> Iterator[Line]:
    """Readiness, crashes, drains, silence, and trouble with the broker, per worker."""
    known = {worker.name: worker for worker in before.workers}
    for worker in after.workers:
        was, program = known.pop(worker.name, None), after.programs[worker.name]
        program_before = before.programs.get(worker.name)
        yield from _exit(program_before, program, worker)
        same_process = program_before is not None and program_before.pid == program.pid
        if was is None or was.state is not worker.state or not same_process:
            yield from _state(was if same_process else None, worker, after)
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


def _exit(was: Program | None, program: Program, worker: SeenWorker) -> Iterator[Line]:
    last = program.last_exit
    if was is None or last is None or last == was.last_exit or worker.leaving:
        return
    if not worker.crashed:
        yield "INFO", f"{worker.worker} ended as planned after {seconds(last.uptime_seconds)}, starting again"
        return
    wait = program.retry_in_seconds
    again = "starting again" if not wait else f"trying again in {seconds(wait)}"
    yield "WARNING", f"{worker.worker} {ending(last)}, {again}{last_words(last)}"


def _state(was: SeenWorker | None, worker: SeenWorker, scene: Scene) -> Iterator[Line]:
    pid = scene.programs[worker.name].pid
    match worker.state:
        case State.READY:
            took = max(0.0, (worker.ready_since or scene.now) - worker.started)
            yield "INFO", f"{worker.worker} ready in {seconds(took)} (pid {pid})"
        case State.STOPPING:
            yield "INFO", f"{worker.worker} draining (pid {pid})"
        case State.SILENT:
            yield "WARNING", f"{worker.worker} (pid {pid}) has stopped reporting"
        case State.TROUBLED:
            yield "WARNING", f"{worker.worker} (pid {pid}) is in trouble: {worker.trouble}"
        case State.FAILED:
            yield "ERROR", f"{worker.worker} keeps failing; it is tried again every half minute or so"


def _broker(was: object, report: object, worker: SeenWorker) -> Iterator[Line]:
    before, now = getattr(was, "broker_error", None), getattr(report, "broker_error", None)
    if now and not before:
        yield "WARNING", f"{worker.worker} has lost the broker: {now}"
    elif before and not now and report is not None:
        yield "INFO", f"{worker.worker} has the broker again"


def rollout_changes(before: Sequence[RolloutView], after: Sequence[RolloutView]) -> Iterator[Line]:
    """Started, halted, rolled back, going on again, finished; per group."""
    was = {view.group: view for view in before}
    for view in after:
        known = was.pop(view.group, None)
        if known is None:
            yield "INFO", f"rollout of {view.group} started"
        if view.state != "progressing" and (known is None or known.state != view.state):
            yield "ERROR", f"rollout of {view.group} {view.state}: {view.reason}"
        elif known is not None and known.state != "progressing" and view.state == "progressing":
            yield "INFO", f"rollout of {view.group} goes on"
    for gone in was.values():
        if gone.state != "rolled back":
            yield "INFO", f"rollout of {gone.group} finished"


def config_changes(before: Accepted | None, after: Accepted) -> list[str]:
    """What an edit changes, one phrase for each thing; [] when it is nothing that matters."""
    if before is None:
        count = len(after.groups)
        return [f"{count} worker group{'' if count == 1 else 's'}"]
    said = []
    for group in after.groups:
        old = before.group(group.name)
        said += [f"{group.name}: new group"] if old is None else _group_changes(old, group)
    said += [f"{old.name}: removed" for old in before.groups if after.group(old.name) is None]
    if before.routing != after.routing:
        said.append("routing")
    return said


def _group_changes(old: Group, new: Group) -> list[str]:
    said = []
    was, now = old.spec.to_dict(), new.spec.to_dict()
    # Names only: values may be secrets, and `fleet plan` has room for them.
    changed = [key.removesuffix("_seconds").removesuffix("_bytes") for key in now if was[key] != now[key]]
    if changed:
        said.append(f"{new.name}: {', '.join(changed)} changed")
    if old.replicas != new.replicas:
        said.append(f"{new.name}: replicas {old.replicas} → {new.replicas}")
    if old.autoscale != new.autoscale and old.replicas == new.replicas:
        said.append(f"{new.name}: autoscaling")
    if (old.rollout, old.singleton) != (new.rollout, new.singleton) and not said:
        said.append(f"{new.name}: rollout settings")
    return said
