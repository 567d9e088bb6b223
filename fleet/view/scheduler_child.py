"""The scheduler of a cluster: `python -m fleet.scheduler` as a child of `fleet view`, started again when it dies.

On one host the supervisor keeps that process; here nobody else would. What it remembers lies in the broker, so that
nothing is lost with the pod, and two views side by side, as in a rollout, send each run once.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from fleet.controller.metrics.metric_values import Number, of_schedules
from fleet.controller.observed.schedules import read_known, schedules_status, with_app, with_next
from fleet.fleet_state import FleetState
from fleet.launch_specs import SchedulerLaunch
from fleet.prctl import PARENT_VARIABLE

_STOP_SECONDS = 8.0
_LONGEST_PAUSE_SECONDS = 30.0
_STEADY_SECONDS = 60.0  # whoever has run for so long has not died of its start


class SchedulerChild:
    """`tend` and `stop` belong to the main thread, which is the parent in the eyes of the kernel; the rest to any."""

    def __init__(
        self, state: FleetState, source: str, folder: Path, command: Sequence[str], log: Callable[[str], None]
    ) -> None:
        """`folder` is private, for its files; `source` is the fleet.toml, for error messages; `command` lacks them."""
        self._state = state
        self._known = folder / "schedules.json"
        self._log = log
        file = folder / "scheduler.json"
        launch = SchedulerLaunch(
            fleet=state.fleet,
            routing=state.routing,
            schedules=state.schedules,
            source=source,
            known_file=str(self._known),
            app=state.beat_app,
        )
        file.touch(mode=0o600)
        file.write_text(launch.to_json(), encoding="utf-8")
        self._command = [*command, str(file)]
        self._process: subprocess.Popen[bytes] | None = None
        self._started_at = float("-inf")
        self._start_at = float("-inf")
        self._deaths = 0

    def tend(self, now: float) -> None:
        """Have it run; `now` is monotonic. To be called about once a second."""
        if self._process is not None and (code := self._process.poll()) is not None:
            self._process = None
            self._deaths = 1 if now - self._started_at > _STEADY_SECONDS else self._deaths + 1
            pause = min(_LONGEST_PAUSE_SECONDS, 0.5 * 2 ** (self._deaths - 1))
            self._start_at = now + pause
            self._log(f"the scheduler has ended with {code}; another one in {pause:g} s")
        if self._process is None and now >= self._start_at:
            self._started_at = now
            environment = {**os.environ, PARENT_VARIABLE: str(os.getpid())}
            self._process = subprocess.Popen(self._command, cwd=self._state.folder, env=environment)

    def stop(self) -> None:
        """SIGTERM, and after some seconds SIGKILL: what is not in the broker yet will be sent by the next one."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def shown(self) -> dict[str, Any]:
        """As `fleet schedule list --json` has it."""
        known, now = read_known(self._known), time.time()
        declared = with_app(self._state.schedules, known)
        found = zip(declared, schedules_status(declared, known), strict=True)
        process = self._process
        return {
            "scheduler": {
                "pid": process.pid if process is not None else None,
                "leads": process is not None and bool(known.get("leads")),
                "error": known.get("error"),
                "app_error": known.get("app_error"),
                "beat": known.get("beat"),
            },
            "schedules": [with_next(self._state.fleet, each, status, now) for each, status in found],
        }

    def samples(self) -> Iterator[Number]:
        """For /metrics. Only of the one that has the schedules: of two views one would tell what is past."""
        known = read_known(self._known)
        if known.get("leads"):
            yield from of_schedules(schedules_status(with_app(self._state.schedules, known), known))
