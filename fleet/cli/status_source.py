"""What is known about a running fleet: from its controller, or else from its supervisor."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import Any

from fleet.cli.api import ApiClient, ApiError, ControllerUnavailable
from fleet.spec import Exit
from fleet.statedir import StateDir
from fleet.supervisor.client import Program, Snapshot, SupervisorClient, SupervisorUnavailable


def fetch(file: Path, state: StateDir) -> dict[str, Any] | None:
    """The contract's status; None when the fleet is not running."""
    try:
        return ApiClient(state.api_socket).get("/status")
    except (ControllerUnavailable, ApiError) as error:
        trouble = str(error) if isinstance(error, ApiError) else "the controller does not answer"
    try:
        snapshot = SupervisorClient(state.supervisor_socket).snapshot()
    except SupervisorUnavailable:
        return None
    return from_supervisor(file, snapshot, trouble)


def from_supervisor(file: Path, snapshot: Snapshot, trouble: str) -> dict[str, Any]:
    """A status without what only the controller knows: those numbers are None."""
    programs = sorted(
        (each for each in snapshot.programs if each.labels.get("role") == "worker"),
        key=lambda each: (each.group, each.labels["replica"], each.labels["serial"]),
    )
    own = next((each for each in snapshot.programs if each.labels.get("role") == "controller"), None)
    return {
        "fleet": file.parent.name,
        "state": "stopping" if snapshot.stopping else "degraded",
        "reasons": [trouble],
        "file": str(file),
        "supervisor": {"pid": snapshot.pid, "uptime_seconds": snapshot.uptime_seconds},
        "controller": {
            "pid": (own.pid or None) if own else None,
            "uptime_seconds": own.uptime_seconds if own else None,
            "restarts": own.restarts if own else None,
        },
        "config": {"revision": None, "loaded_at": None, "rejected": None},
        "rollout": None,
        "broker": {"error": None},
        "groups": [_group(name, list(mine)) for name, mine in groupby(programs, lambda each: each.group)],
        "queues": [],
    }


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
        "rss_bytes",
        "broker_error",
        "paused_queues",
        "recycle",
        "trouble",
        "absorbed",
    )
    last = program.last_exit
    return {
        "id": f"{program.group}/{program.labels['replica']}",
        "serial": program.labels["serial"],
        "pid": program.pid or None,
        "state": {"stopping": "draining", "stopped": "exited"}.get(program.state, program.state),
        "revision": program.labels["revision"],
        "uptime_seconds": program.uptime_seconds,
        **dict.fromkeys(unknown),
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
