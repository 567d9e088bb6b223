"""What worker and controller say to each other over the control socket: a JSON object a line, both ways.

The worker connects (and reconnects for ever) to `StateDir.control_socket` and sends a Report at once,
whenever its state changes, and every HEARTBEAT_SECONDS; of these it leaves out QUIET_HEARTBEATS in a row at most
while nothing happens but that time passes. Reports are complete, never deltas: a
controller that has just been restarted knows a worker from its next line. The controller sends a Command a
line. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from fleet.spec import LIVE_SETTINGS, Spec

__all__ = ["HEARTBEAT_SECONDS", "LIVE_SETTINGS", "QUIET_HEARTBEATS", "Command", "Report", "State"]

HEARTBEAT_SECONDS = 1.0
QUIET_HEARTBEATS = 2

State = Literal["starting", "ready", "draining", "exited"]


@dataclass(frozen=True, slots=True)
class Report(Spec):
    """A worker about itself. Counters since its start."""

    worker: str  # "http/0"
    pid: int
    revision: str
    state: str  # a State
    concurrency: int = 0  # deliveries it may run at once, as it is now; 1 on solo
    live_revision: str = ""  # of the settings it works by now: as launched, or of the last "configure"
    in_flight: int = 0
    succeeded: int = 0
    failed: int = 0
    retried: int = 0
    rss_bytes: int = 0
    paused: bool = False
    paused_queues: tuple[str, ...] | None = None  # those that it does not consume; `paused`: that is all
    children: tuple[int, ...] = ()  # pids of pool processes
    broker_error: str | None = None  # why the broker can't be reached; None while connected
    recycle: str | None = None  # why it asks for a replacement (max_tasks …); it works on until that is ready
    # How long it has been waiting for a delivery; 0 while it has one, is paused or can't reach the broker.
    # Long, while its queues have messages, means that something is wrong.
    idle_seconds: float = 0.0
    trouble: str | None = None  # why it no longer does its work although it lives (a wedged hub …)
    # Per task name: [count, wall seconds, CPU seconds]; what `fleet advise` will read.
    tasks: dict[str, list[float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Command(Spec):
    """The controller to a worker: drain | pause | resume | inspect | configure.

    "pause" carries {"queues": ["io"]}: the queues that are not to be consumed, all others are; without it
    none is. "resume" is "pause" without any queue. `Report.paused_queues` tells.

    "configure" carries {"revision": "5b1f0c2d9a41", "settings": {"concurrency": 8, "prefetch": null}}: names
    of LIVE_SETTINGS, values as in a WorkerSpec; what is not named stays. All of it is applied or, when
    anything in it can't be, nothing: `Report.live_revision` tells. What runs already keeps its time limits.
    """

    do: str
    arguments: dict[str, Any] = field(default_factory=dict)
