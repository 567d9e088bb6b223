"""The JSON of `fleet status` (contract.md), from what is declared and what is seen. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet import __version__, program_labels
from fleet.broker.stats import QueueStats
from fleet.broker.urls import scheme
from fleet.controller.log.events import iso
from fleet.controller.log.humanize import last_words
from fleet.controller.observed.observe import Observation, SeenWorker, State
from fleet.controller.observed.schedules import (
    scheduler_program,
    scheduler_status,
    schedules_status,
    trouble,
    with_app,
)
from fleet.controller.rollout.group_plan import standing
from fleet.controller.rollout.progress import RolloutView
from fleet.controller.state.overrides import Overrides, shown
from fleet.fleet_state import FleetState, Group
from fleet.launch_specs import Exit
from fleet.supervisor.client import LastExit, Program

SHOWN_AS = {
    State.UNKNOWN: "starting",
    State.SILENT: "silent",
    State.STOPPING: "draining",
    State.GONE: "exited",
}
"""The others are shown by their own name."""


CRASH_LIMIT = 5
"""So many crashes of a group within the supervisor's window are no accident."""


@dataclass(frozen=True, slots=True)
class StatusFacts:
    """All that a status tells."""

    file: str
    revision: str  # of what is declared, whatever is put over it
    effective: FleetState
    overrides: Overrides
    observation: Observation
    rejected: Mapping[str, Any] | None
    rollouts: Sequence[RolloutView]
    queues: Sequence[QueueStats]
    broker_error: str | None
    broker_alarm: str | None = None
    scaling: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)  # by group
    held_up: Mapping[str, str] = field(default_factory=dict)  # by group: why nothing gets on
    remarks: Sequence[Mapping[str, Any]] = ()  # what is too much for this machine
    failures: Sequence[Mapping[str, Any]] = ()  # what could not be done
    schedules: Mapping[str, Any] = field(default_factory=dict)  # what the scheduler knows
    now: float = 0.0  # POSIX seconds

    @property
    def has_clock(self) -> bool:
        """Whether there is something to schedule, or may be."""
        return bool(self.effective.schedules or self.effective.beat_app)


def status(facts: StatusFacts) -> dict[str, Any]:
    groups = [_group(group, facts) for group in facts.effective.groups]
    reasons = _reasons(facts, groups)
    snapshot = facts.observation.snapshot
    scheduler = scheduler_program(snapshot)
    return {
        "fleet": facts.effective.fleet,
        "state": "stopping" if snapshot.stopping else "degraded" if reasons else "healthy",
        "reasons": reasons,
        "file": facts.file,
        "supervisor": {"pid": snapshot.pid, "uptime_seconds": round(snapshot.uptime_seconds, 1)},
        "controller": _controller(snapshot.programs),
        "config": {
            "revision": facts.revision,
            "loaded_at": iso(facts.effective.loaded_at),
            "rejected": facts.rejected,
            "warnings": list(facts.remarks),
        },
        "rollout": _rollout(facts.rollouts),
        "broker": {"error": facts.broker_error, "alarm": facts.broker_alarm},
        "failures": list(facts.failures),
        "groups": groups,
        "queues": [queue_row(queue, groups) for queue in facts.queues],
        "scheduler": scheduler_status(scheduler, facts.schedules) if facts.has_clock else None,
        "schedules": schedules_status(with_app(facts.effective.schedules, facts.schedules), facts.schedules),
        "dashboard": _dashboard(facts),
    }


def _reasons(facts: StatusFacts, groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why the fleet is degraded, in words; [] when it is healthy."""
    reasons = []
    if facts.rejected:
        reasons.append("the file is invalid, the fleet runs the last good configuration")
    if facts.broker_error:
        reasons.append("the broker can't be reached")
    if facts.broker_alarm:
        reasons.append("the broker takes no messages: it has an alarm")
    reasons += [
        f"queue {name} is full ({ready} of {most}) and refuses what is sent to it"
        for name, ready, most in _full_queues(facts)
    ]
    reasons += [f"could not {each['what']}: {each['reason']}" for each in facts.failures]
    scheduler = scheduler_program(facts.observation.snapshot)
    reasons += trouble(facts.effective.schedules, scheduler, facts.schedules, facts.now)
    reasons += page_trouble(program_labels.dashboard(facts.observation.snapshot.programs))
    failed = (view for view in facts.rollouts if view.state != "progressing")
    reasons += [f"rollout of {view.group} {view.state}" for view in failed]
    for group in groups:
        ready, desired = group["replicas"]["ready"], group["replicas"]["desired"]
        if ready < desired:
            starting = group["replicas"]["starting"]
            soon = f", {starting} starting" if starting else ""
            reasons.append(f"{group['name']}: {ready} of {desired} ready{soon}")
        crashes = sum(worker["recent_crashes"] for worker in group["workers"])
        if crashes >= CRASH_LIMIT:
            reasons.append(f"{group['name']}: {crashes} crashes in the last ten minutes")
        cut_off = [worker["id"] for worker in group["workers"] if worker["broker_error"]]
        if cut_off and not facts.broker_error:
            reasons.append(f"{', '.join(cut_off)} without broker")
        if held := facts.held_up.get(group["name"]):
            reasons.append(f"{group['name']}: {held}")
        for worker in group["workers"]:
            reasons += [f"{worker['id']}: {warning}" for warning in worker["warnings"]]
        refused = [worker["id"] for worker in group["workers"] if worker["refused"]]
        if refused:
            reasons.append(f"{', '.join(refused)}: the broker refuses what is to be handed on")
        for state in ("silent", "troubled"):
            those = [worker["id"] for worker in group["workers"] if worker["state"] == state]
            if those:
                reasons.append(f"{', '.join(those)} {state}")
    return reasons


def page_trouble(program: Program | None) -> Iterator[str]:
    """Why nobody can look at the page."""
    if program is not None and program.state in ("backoff", "failed"):
        why = last_words(program.last_exit) if program.last_exit else ""
        yield f"the web page does not run{why} (`fleet logs dashboard`)"


def _full_queues(facts: StatusFacts) -> Iterator[tuple[str, int, int]]:
    """(name, messages that wait, how many may), of RabbitMQ's queues that say no rather than drop the oldest."""
    ready = {queue.name: queue.ready for queue in facts.queues}
    dead = {queue.name: queue.dead for queue in facts.queues}
    declared = facts.effective.routing.queues
    ready |= {each.dead_letter: dead.get(each.name) for each in declared if each.dead_letter in ready}
    for queue in declared if scheme(facts.effective.routing.broker.url) == "amqp" else ():
        most, overflow = queue.arguments.get("x-max-length"), str(queue.arguments.get("x-overflow", ""))
        waiting = ready.get(queue.name)
        if isinstance(most, int) and overflow.startswith("reject-publish") and (waiting or 0) >= most:
            yield queue.name, waiting or 0, most


def _controller(programs: Sequence[Program]) -> dict[str, Any]:
    own = program_labels.controller(programs)
    if own is None:
        return {"pid": None, "uptime_seconds": None, "restarts": None, "version": __version__}
    return {
        "pid": own.pid,
        "uptime_seconds": round(own.uptime_seconds, 1),
        "restarts": own.restarts,
        "version": __version__,
    }


def _dashboard(facts: StatusFacts) -> dict[str, Any] | None:
    """None where the file has none."""
    table, program = facts.effective.dashboard, program_labels.dashboard(facts.observation.snapshot.programs)
    if table is None:
        return None
    return {
        "listen": table.listen,
        "pid": program.pid or None if program else None,
        "state": program.state if program else "starting",
        "restarts": program.restarts if program else 0,
    }


def _rollout(views: Sequence[RolloutView]) -> dict[str, Any] | None:
    """One rollout is shown; one that failed before one that gets on."""
    view = min(views, key=lambda view: view.state == "progressing", default=None)
    return {"state": view.state, "group": view.group, "reason": view.reason} if view else None


def queue_row(queue: QueueStats, groups: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """`workers`: those here that take from it now; None when only other hosts have some.

    `consumers` is the broker's word: RabbitMQ counts a worker that takes ahead twice, and one that is full not at all.
    """
    taking = [group for group in groups if queue.name in group["queues"]]
    here = [group for group in taking if group["here"]]
    workers = sum(_takes(worker, queue.name) for group in here for worker in group["workers"])
    return {**queue.to_dict(), "workers": workers if here or not taking else None}


def _takes(worker: Mapping[str, Any], queue: str) -> bool:
    has_broker = worker["state"] == State.READY.value and not worker["broker_error"]
    return has_broker and queue not in (worker["paused_queues"] or ())


def _group(group: Group, facts: StatusFacts) -> dict[str, Any]:
    observation, overrides = (
        facts.observation,
        [shown(each, iso) for each in facts.overrides.concerning(group)],
    )
    at = standing(group, observation.workers, observation.now)
    mine = sorted(
        (w for w in observation.workers if w.group == group.name), key=lambda w: (w.replica, w.serial)
    )
    states = [worker.state for worker in mine]
    spec = group.spec
    return {
        "name": group.name,
        "pool": spec.pool,
        "concurrency": spec.concurrency,
        "queues": [queue.name for queue in spec.queues],
        "on": list(group.on),
        "here": group.here,
        "revision": group.revision,
        "replicas": {
            "desired": group.replicas,
            # Slots that have somebody at work: a rollout's second worker does not count twice.
            "ready": len(
                {w.replica for w in at.staying if w.state is State.READY and w.replica in group.slots}
            ),
            "starting": sum(state in (State.STARTING, State.UNKNOWN) for state in states),
            "draining": sum(state in (State.DRAINING, State.STOPPING) for state in states),
            "failed": sum(state in (State.BACKOFF, State.FAILED) for state in states),
        },
        "scaling": facts.scaling.get(group.name),
        "paused": {queue.name for queue in spec.queues} <= set(group.paused),
        "paused_queues": list(group.paused),
        "override": overrides[0] if overrides else None,
        "overrides": overrides,
        "workers": [_worker(worker, observation) for worker in mine],
    }


def _worker(worker: SeenWorker, observation: Observation) -> dict[str, Any]:
    program, report = observation.programs[worker.name], observation.report(worker)
    return {
        "id": worker.worker,
        "serial": worker.serial,
        "pid": program.pid or None,
        "state": SHOWN_AS.get(worker.state, worker.state.value),
        "revision": worker.revision,
        "uptime_seconds": round(program.uptime_seconds, 1),
        "concurrency": report.concurrency or None if report else None,
        "in_flight": report.in_flight if report else 0,
        "succeeded": report.succeeded if report else 0,
        "failed": report.failed if report else 0,
        "retried": report.retried if report else 0,
        "rejected": report.rejected if report else 0,
        "revoked": report.revoked if report else 0,
        "expired": report.expired if report else 0,
        "tasks": report.tasks if report else {},
        "restarts": program.restarts,
        "recent_crashes": program.recent_crashes,
        "rss_bytes": report.rss_bytes if report else None,
        "retry_in_seconds": program.retry_in_seconds,
        "last_exit": _exit(program.last_exit),
        "broker_error": report.broker_error if report else None,
        "refused": report.refused if report else None,
        "paused_queues": list(report.paused_queues or ()) if report else None,
        "recycle": report.recycle if report else None,
        "trouble": report.trouble if report else None,
        "oldest_in_flight_seconds": report.oldest_in_flight_seconds if report else None,
        "runs_alone": report.alone if report else None,
        "warnings": list(report.warnings) if report else [],
        "absorbed": worker.absorbed,
        "children": [{"pid": pid} for pid in report.children] if report else [],
    }


def _exit(last: LastExit | None) -> dict[str, Any] | None:
    if last is None:
        return None
    return {
        **last.to_dict(),
        "at": iso(last.at),
        "log_tail": list(last.log_tail),
        "cannot_boot": last.code == Exit.BOOT_FAILED,
    }
