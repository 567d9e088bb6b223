"""The JSON of `fleet status` (contract.md), from what is declared and what is seen. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fleet import __version__
from fleet.broker.stats import QueueStats
from fleet.controller.desired import Accepted, Group
from fleet.controller.events import iso
from fleet.controller.observe import Scene, SeenWorker, State
from fleet.controller.overrides import Overrides, shown
from fleet.controller.progress import RolloutView
from fleet.controller.rollout import standing
from fleet.spec import Exit
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
class Facts:
    """All that a status tells."""

    file: str
    revision: str  # of what is declared, whatever is put over it
    desired: Accepted
    overrides: Overrides
    scene: Scene
    rejected: Mapping[str, Any] | None
    rollouts: Sequence[RolloutView]
    queues: Sequence[QueueStats]
    broker_error: str | None
    scaling: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)  # by group


def status(facts: Facts) -> dict[str, Any]:
    groups = [_group(group, facts) for group in facts.desired.groups]
    reasons = _reasons(facts, groups)
    snapshot = facts.scene.snapshot
    return {
        "fleet": facts.desired.fleet,
        "state": "stopping" if snapshot.stopping else "degraded" if reasons else "healthy",
        "reasons": reasons,
        "file": facts.file,
        "supervisor": {"pid": snapshot.pid, "uptime_seconds": round(snapshot.uptime_seconds, 1)},
        "controller": _controller(snapshot.programs),
        "config": {
            "revision": facts.revision,
            "loaded_at": iso(facts.desired.loaded_at),
            "rejected": facts.rejected,
        },
        "rollout": _rollout(facts.rollouts),
        "broker": {"error": facts.broker_error},
        "groups": groups,
        "queues": [queue.to_dict() for queue in facts.queues],
    }


def _reasons(facts: Facts, groups: Sequence[Mapping[str, Any]]) -> list[str]:
    """Why the fleet is degraded, in words; [] when it is healthy."""
    reasons = []
    if facts.rejected:
        reasons.append("the file is invalid, the fleet runs the last good configuration")
    if facts.broker_error:
        reasons.append("the broker can't be reached")
    failed = (view for view in facts.rollouts if view.state != "progressing")
    reasons += [f"rollout of {view.group} {view.state}" for view in failed]
    for group in groups:
        ready, desired = group["replicas"]["ready"], group["replicas"]["desired"]
        if ready < desired:
            reasons.append(f"{group['name']}: {ready} of {desired} ready")
        crashes = sum(worker["recent_crashes"] for worker in group["workers"])
        if crashes >= CRASH_LIMIT:
            reasons.append(f"{group['name']}: {crashes} crashes in the last ten minutes")
        cut_off = [worker["id"] for worker in group["workers"] if worker["broker_error"]]
        if cut_off and not facts.broker_error:
            reasons.append(f"{', '.join(cut_off)} without broker")
        for state in ("silent", "troubled"):
            those = [worker["id"] for worker in group["workers"] if worker["state"] == state]
            if those:
                reasons.append(f"{', '.join(those)} {state}")
    return reasons


def _controller(programs: Sequence[Program]) -> dict[str, Any]:
    own = next((each for each in programs if each.labels.get("role") == "controller"), None)
    if own is None:
        return {"pid": None, "uptime_seconds": None, "restarts": None, "version": __version__}
    return {
        "pid": own.pid,
        "uptime_seconds": round(own.uptime_seconds, 1),
        "restarts": own.restarts,
        "version": __version__,
    }


def _rollout(views: Sequence[RolloutView]) -> dict[str, Any] | None:
    """One rollout is shown; one that failed before one that gets on."""
    view = min(views, key=lambda view: view.state == "progressing", default=None)
    return {"state": view.state, "group": view.group, "reason": view.reason} if view else None


def _group(group: Group, facts: Facts) -> dict[str, Any]:
    scene, overrides = facts.scene, [shown(each, iso) for each in facts.overrides.concerning(group)]
    at = standing(group, scene.workers, scene.now)
    mine = sorted((w for w in scene.workers if w.group == group.name), key=lambda w: (w.replica, w.serial))
    states = [worker.state for worker in mine]
    spec = group.spec
    return {
        "name": group.name,
        "pool": spec.pool,
        "concurrency": spec.concurrency,
        "queues": [queue.name for queue in spec.queues],
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
        "workers": [_worker(worker, scene) for worker in mine],
    }


def _worker(worker: SeenWorker, scene: Scene) -> dict[str, Any]:
    program, report = scene.programs[worker.name], scene.report(worker)
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
        "tasks": report.tasks if report else {},
        "restarts": program.restarts,
        "recent_crashes": program.recent_crashes,
        "rss_bytes": report.rss_bytes if report else None,
        "retry_in_seconds": program.retry_in_seconds,
        "last_exit": _exit(program.last_exit),
        "broker_error": report.broker_error if report else None,
        "paused_queues": list(report.paused_queues or ()) if report else None,
        "recycle": report.recycle if report else None,
        "trouble": report.trouble if report else None,
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
