"""Conditions of alerts: what is wrong just now, from statuses that follow each other. Pure, with a memory.

Names of alerts are stable: `queue_waits:io`. Each text says what is seen, each remedy a command.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from fleet.controller.history.totals import Key
from fleet.fleet_state import AlertSettings
from fleet.schedules.due import MISSED_SECONDS
from fleet.telemetry import FAILED, OUTCOMES, SUCCEEDED

NOT_READY_SECONDS = 120.0
REJECTED_SECONDS = 60.0
BROKER_DOWN_SECONDS = 30.0
CRASHES = 5
"""Of a group in the supervisor's window of ten minutes."""
FAILURES, FAILED_PART = 10, 0.1
"""So many of a queue in the window of statistics, and that part of all that ended."""
GROWTH_SECONDS = 900.0


class Wrong(NamedTuple):
    """An alert that should fire."""

    name: str
    summary: str
    remedy: str


class Numbers(NamedTuple):
    """Of all tasks: in total, in the last minutes, and when each last succeeded (POSIX seconds)."""

    totals: Mapping[Key, list[float]]
    window: Mapping[Key, list[float]]
    last_success: Mapping[Key, float]


class Conditions:
    """`now` is monotonic, `today` the POSIX time of the same moment."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self._ended: dict[str, tuple[float, float]] = {}  # by queue: how many had ended, and since when
        self._dead: dict[str, deque[tuple[float, int]]] = {}

    def look(
        self, status: Mapping[str, Any], numbers: Numbers, settings: AlertSettings, now: float, today: float
    ) -> list[Wrong]:
        """All that is wrong; `status` as controller/api/status.py makes it."""
        if status["state"] == "stopping":
            return []
        return [
            *self._of_fleet(status, now),
            *(wrong for group in status["groups"] for wrong in self._of_group(group, now)),
            *(wrong for schedule in status["schedules"] for wrong in _missed(schedule, today)),
            *(
                wrong
                for queue in status["queues"]
                for wrong in self._of_queue(queue, numbers, settings, now, today)
            ),
        ]

    def _lasts(self, name: str, is_so: bool, now: float) -> float:
        """For how many seconds it has been so."""
        if not is_so:
            self._since.pop(name, None)
            return 0.0
        return now - self._since.setdefault(name, now)

    def _of_fleet(self, status: Mapping[str, Any], now: float) -> Iterator[Wrong]:
        error = status["broker"]["error"]
        if self._lasts("broker_down", error is not None, now) >= BROKER_DOWN_SECONDS:
            yield Wrong("broker_down", f"the broker can't be reached: {error}", "fleet validate --connect")
        rejected = status["config"]["rejected"]
        if self._lasts("config_rejected", rejected is not None, now) >= REJECTED_SECONDS:
            text = "fleet.toml has errors: the fleet goes on with what was last accepted"
            yield Wrong("config_rejected", text, "fleet validate")

    def _of_group(self, group: Mapping[str, Any], now: float) -> Iterator[Wrong]:
        name, replicas = group["name"], group["replicas"]
        few = replicas["ready"] < replicas["desired"]
        if self._lasts(f"not_ready:{name}", few, now) >= NOT_READY_SECONDS:
            text = f"{name}: {replicas['ready']} of {replicas['desired']} workers are ready"
            yield Wrong(f"not_ready:{name}", text, f"fleet logs {name}")
        crashes = sum(worker["recent_crashes"] for worker in group["workers"])
        if crashes >= CRASHES:
            text = f"{name}: {crashes} crashes in the last ten minutes"
            yield Wrong(f"crash_loop:{name}", text, f"fleet logs {name}")

    def _of_queue(
        self, queue: Mapping[str, Any], numbers: Numbers, settings: AlertSettings, now: float, today: float
    ) -> Iterator[Wrong]:
        name = queue["name"]
        if (most := settings.waits.get(name)) is not None:
            waited = self._waited(queue, numbers, now)
            if waited > most:
                text = f"queue {name}: {queue['ready']} wait, the oldest for {waited:.0f} s (more than {most:g} s)"
                yield Wrong(f"queue_waits:{name}", text, "fleet status")
        yield from _failures(name, numbers)
        if grown := self._grown(queue, now):
            text = f"queue {name}: {grown} more dead letters, {queue['dead']} in all"
            yield Wrong(f"dead_letters:{name}", text, f"fleet dead list --queue {name}")
        if (silence := settings.no_success.get(name)) is not None:
            latest = max((at for key, at in numbers.last_success.items() if key.name == name), default=None)
            quiet = self._lasts(f"no_success:{name}", True, now) if latest is None else today - latest
            if quiet > silence:
                text = f"queue {name}: no task has succeeded for {quiet:.0f} s (more than {silence:g} s)"
                yield Wrong(f"no_success:{name}", text, "fleet status")

    def _waited(self, queue: Mapping[str, Any], numbers: Numbers, now: float) -> float:
        """Age of the oldest; where the broker does not tell, how long something has been ready and nothing ended."""
        name, ready = queue["name"], queue["ready"] or 0
        ended = sum(
            sum(each[: len(OUTCOMES)])
            for key, each in numbers.totals.items()
            if key.kind == "task" and key.name == name
        )
        before, since = self._ended.get(name, (-1.0, now))
        if ended != before or not ready:
            since = now
        self._ended[name] = (ended, since)
        oldest = queue["oldest_seconds"]
        return float(oldest) if oldest is not None else now - since

    def _grown(self, queue: Mapping[str, Any], now: float) -> int:
        """How many dead letters have come in the last minutes."""
        if queue["dead"] is None:
            return 0
        seen = self._dead.setdefault(queue["name"], deque())
        seen.append((now, queue["dead"]))
        while seen[0][0] < now - GROWTH_SECONDS:
            seen.popleft()
        fewest = min(dead for _, dead in seen)
        return int(queue["dead"]) - fewest


def _missed(schedule: Mapping[str, Any], today: float) -> Iterator[Wrong]:
    """A run that is due and has not been sent, whatever keeps the scheduler from it."""
    if schedule["next_at"] is None:
        return
    late = today - datetime.fromisoformat(schedule["next_at"]).timestamp()
    if late > MISSED_SECONDS:
        text = f"schedule {schedule['name']}: a run was due {late:.0f} s ago and has not been sent"
        yield Wrong(f"schedule_missed:{schedule['name']}", text, "fleet logs scheduler")


def _failures(name: str, numbers: Numbers) -> Iterator[Wrong]:
    those = [each for key, each in numbers.window.items() if key.kind == "task" and key.name == name]
    failed = int(sum(each[FAILED] for each in those))
    ended = failed + int(sum(each[SUCCEEDED] for each in those))
    if failed >= FAILURES and failed >= FAILED_PART * ended:
        text = f"queue {name}: {failed} of {ended} tasks failed for good in the last minutes"
        yield Wrong(f"failures:{name}", text, f"fleet dead list --queue {name}")
