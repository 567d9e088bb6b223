"""The status of a fleet whose controller does not answer: what its supervisor knows. Loaded only then."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

from fleet import program_labels
from fleet.launch_specs import Exit
from fleet.program_labels import WorkerLabels
from fleet.statedir import StateDir
from fleet.supervisor.client import Program, Snapshot, SupervisorClient, SupervisorUnavailable


def fetch_without_controller(file: Path, state: StateDir, trouble: str) -> dict[str, Any] | None:
    """None when the fleet is not running; `trouble` says why the controller does not answer."""
    try:
        snapshot = SupervisorClient(state.supervisor_socket).snapshot()
    except SupervisorUnavailable:
        return None
    return from_supervisor(file, snapshot, trouble, _name(state) or file.parent.name)


def from_supervisor(file: Path, snapshot: Snapshot, trouble: str, name: str) -> dict[str, Any]:
    """A status without what only the controller knows: those numbers are None."""
    programs = sorted(program_labels.workers(snapshot.programs), key=_slot_and_serial)
    own = program_labels.controller(snapshot.programs)
    return {
        "fleet": name,
        "state": "stopping" if snapshot.stopping else "degraded",
        "reasons": [trouble],
        "file": str(file),
        "supervisor": {"pid": snapshot.pid, "uptime_seconds": snapshot.uptime_seconds},
        "controller": {
            "pid": (own.pid or None) if own else None,
            "uptime_seconds": own.uptime_seconds if own else None,
            "restarts": own.restarts if own else None,
        },
        "config": {"revision": None, "loaded_at": None, "rejected": None, "warnings": []},
        "rollout": None,
        "broker": {"error": None, "alarm": None},
        "failures": [],
        "groups": [_group(name, list(mine)) for name, mine in groupby(programs, lambda each: each.group)],
        "queues": [],
    }


def _name(state: StateDir) -> str | None:
    """As the last file that was accepted has it."""
    try:
        name = json.loads(state.accepted_config.read_bytes())["fleet"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return name if isinstance(name, str) else None


def _slot_and_serial(program: Program) -> tuple[str, int, int]:
    labels = WorkerLabels.of(program)
    return labels.group, labels.replica, labels.serial


def _group(name: str, programs: list[Program]) -> dict[str, Any]:
    states = [program.state for program in programs]
    return {
        "name": name,
        "pool": None,
        "concurrency": None,
        "queues": [],
        "revision": None,
        "replicas": {
            "desired": None,
            "ready": None,
            "starting": None,
            "draining": states.count("stopping"),
            "failed": states.count("backoff") + states.count("failed"),
        },
        "paused": None,
        "override": None,
        "workers": [_worker(program) for program in programs],
    }


def _worker(program: Program) -> dict[str, Any]:
    unknown = (
        "concurrency",
        "in_flight",
        "succeeded",
        "failed",
        "retried",
        "rejected",
        "revoked",
        "expired",
        "rss_bytes",
        "broker_error",
        "refused",
        "paused_queues",
        "recycle",
        "trouble",
        "absorbed",
        "oldest_in_flight_seconds",
        "runs_alone",
    )
    last, labels = program.last_exit, WorkerLabels.of(program)
    return {
        "id": labels.slot,
        "serial": labels.serial,
        "pid": program.pid or None,
        "state": {"stopping": "draining", "stopped": "exited"}.get(program.state, program.state),
        "revision": labels.revision,
        "uptime_seconds": program.uptime_seconds,
        **dict.fromkeys(unknown),
        "warnings": [],
        "restarts": program.restarts,
        "recent_crashes": program.recent_crashes,
        "retry_in_seconds": program.retry_in_seconds,
        "last_exit": {
            **last.to_dict(),
            "log_tail": list(last.log_tail),
            "cannot_boot": last.code == Exit.BOOT_FAILED,
        }
        if last
        else None,
        "children": [],
    }
