"""The observation: the supervisor's programs and the workers' reports, joined into one value per worker. Pure.

Nothing is remembered here from one observation to the next except what the caller passes in, so a controller
that has just been restarted sees the same workers as the one before it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from fleet import program_labels
from fleet.control import Report
from fleet.controller.log.failures import Since
from fleet.controller.observed.heartbeat_timeout import is_timed_out, last_heard
from fleet.launch_specs import Exit
from fleet.program_labels import WorkerLabels
from fleet.slot_names import slot_name, worker_full_name
from fleet.supervisor.client import Program, Snapshot

# A process that lived longer than this did not fail to start: whatever ended it came later.
_EARLY_SECONDS = 10.0

# Nobody has reason to be done with its work sooner.
_CLEAN_SECONDS = 1.0


class State(StrEnum):
    """Of one worker, as far as the controller can tell."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"  # by its own decision (recycling): the supervisor starts it again
    UNKNOWN = "unknown"  # a process that has not reported to this controller yet
    SILENT = "silent"  # a process whose reports have stopped
    TROUBLED = "troubled"  # it reports that it no longer does its work
    BACKOFF = "backoff"
    FAILED = "failed"
    STOPPING = "stopping"  # told to go, and not coming back
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class LatestReport:
    """The last report of one process. Times are monotonic seconds."""

    report: Report
    at: float
    ready_since: float | None


@dataclass(frozen=True, slots=True)
class SeenWorker:
    """One worker program. Times are monotonic seconds; `ready_since` is None unless READY."""

    group: str
    replica: int
    serial: int
    revision: str
    state: State
    pid: int = 0  # 0 when there is no process
    started: float = 0.0  # when its process started
    ready_since: float | None = None
    restarts: int = 0
    crashed: bool = False  # the process before this one did not end on purpose
    looping: bool = False  # and neither did the one before, or it can't start at all
    been_up: bool = False  # has said that it was ready, or later things
    cut_off: bool = False  # can't reach the broker, which need not be its fault
    recycle: str | None = None  # why it asks to be replaced
    trouble: str | None = None  # why it does not do its work
    absorbed: str | None = None  # why it is believed to be at work although it does not report
    live_revision: str | None = None  # of the live settings it goes by; None: it has not said
    paused: tuple[str, ...] | None = None  # queues it does not consume; None: it has not said

    @property
    def name(self) -> str:
        """The supervisor's full name of the program."""
        return worker_full_name(self.group, self.replica, self.serial)

    @property
    def worker(self) -> str:
        return slot_name(self.group, self.replica)

    @property
    def leaving(self) -> bool:
        return self.state in (State.STOPPING, State.GONE)


@dataclass(frozen=True, slots=True)
class Observation:
    """All that was seen at one moment: the planner's view, and the details for people."""

    snapshot: Snapshot
    workers: tuple[SeenWorker, ...]
    programs: Mapping[str, Program]  # by full name
    reports: Mapping[int, LatestReport]  # by pid
    now: float
    failed: Mapping[str, Since] = field(default_factory=dict)  # by group: what could not be done for it

    def report(self, worker: SeenWorker) -> Report | None:
        latest = self.reports.get(self.programs[worker.name].pid)
        return latest.report if latest else None


@dataclass(frozen=True, slots=True)
class Remarks:
    """What the controller knows of programs and groups beyond what they say themselves.

    `renewals` says why which programs shall be replaced, although they don't ask for it; `absorbed` which of those
    that don't report any more are to be taken for what they were, and why; `failed` what could not be done for a group.
    """

    renewals: Mapping[str, str] = field(default_factory=dict)
    absorbed: Mapping[str, str] = field(default_factory=dict)
    failed: Mapping[str, Since] = field(default_factory=dict)


NO_REMARKS = Remarks()


def observe(
    snapshot: Snapshot,
    reports: Mapping[int, LatestReport],
    *,
    listening_since: float,
    now: float,
    remarks: Remarks = NO_REMARKS,
) -> Observation:
    """Every worker program of the snapshot; `listening_since` is when this controller began to."""
    programs = program_labels.workers(snapshot.programs)
    busy = remarks.absorbed
    seen = (
        _see(each, reports.get(each.pid), listening_since, now, busy.get(each.full_name)) for each in programs
    )
    workers = tuple(replace(each, recycle=remarks.renewals.get(each.name, each.recycle)) for each in seen)
    by_name = {worker.name: program for worker, program in zip(workers, programs, strict=True)}
    return Observation(snapshot, workers, by_name, dict(reports), now, remarks.failed)


def _see(
    program: Program,
    latest: LatestReport | None,
    listening_since: float,
    now: float,
    busy: str | None,
) -> SeenWorker:
    labels, started = WorkerLabels.of(program), now - program.uptime_seconds
    heard = last_heard(latest.at if latest else None, started, listening_since)
    state, absorbed = _state(program, latest, heard=heard, now=now), None
    # Only who is known to have been up: an import gets the time that any start gets.
    if state is State.SILENT and busy and latest is not None and latest.report.state != "starting":
        state, absorbed = _state(program, latest, heard=now, now=now), busy
    return SeenWorker(
        group=labels.group,
        replica=labels.replica,
        serial=labels.serial,
        revision=labels.revision,
        state=state,
        pid=program.pid,
        started=started,
        ready_since=latest.ready_since if latest and state is State.READY else None,
        restarts=program.restarts,
        crashed=_crashed(program),
        looping=_looping(program),
        absorbed=absorbed,
        **_said(latest.report if latest else None),
    )


def _said(report: Report | None) -> dict[str, Any]:
    if report is None:
        return {}
    return {
        "been_up": report.state != "starting",
        "cut_off": report.broker_error is not None and not report.mismatch,
        "recycle": report.recycle,
        "trouble": report.trouble,
        "live_revision": report.live_revision or None,
        "paused": report.paused_queues,
    }


def _crashed(program: Program) -> bool:
    last = program.last_exit
    if last is None:
        return False
    return last.code != Exit.OK or last.uptime_seconds < _CLEAN_SECONDS


def _looping(program: Program) -> bool:
    last = program.last_exit
    if last is None or not _crashed(program):
        return False
    exits = program.restarts + (0 if program.pid else 1)
    return last.code == Exit.BOOT_FAILED or (exits > 1 and last.uptime_seconds < _EARLY_SECONDS)


_WITHOUT_REPORTS = {
    "stopping": State.STOPPING,
    "stopped": State.GONE,
    "backoff": State.BACKOFF,
    "failed": State.FAILED,
}


def _state(program: Program, latest: LatestReport | None, heard: float, now: float) -> State:
    if program.state in _WITHOUT_REPORTS:
        return _WITHOUT_REPORTS[program.state]
    if is_timed_out(heard, now):
        return State.SILENT
    if latest is None:
        return State.UNKNOWN
    if latest.report.trouble is not None and latest.report.broker_error is None:
        return State.TROUBLED
    # "exited" is a worker's last word: its process ends at once, and what then is the supervisor's to say.
    return State.DRAINING if latest.report.state == "exited" else State(latest.report.state)
