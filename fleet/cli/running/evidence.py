"""Evidence for advice: what the running controller tells, and what its history has; nothing of it is an error.

Numbers of a time when the group had another pool or other slots are left out, for they tell of that.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from math import ceil
from operator import add
from typing import Any, NamedTuple
from urllib.parse import quote

from fleet.advice.evidence import GroupEvidence, TaskEvidence, TimedRun, with_programs
from fleet.advice.lessons import Lessons
from fleet.bench.process_facts import of_processes
from fleet.cli.file.app_inventory import take_inventory
from fleet.cli.running import lesson_file
from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable, status_if_answering
from fleet.config.model import Fleet
from fleet.config.resolve import app_import, state_dir
from fleet.config.source import Unreadable
from fleet.controller.history import ranges
from fleet.controller.history.database import reading
from fleet.machine import this_machine
from fleet.rules.app import AppFailure
from fleet.rules.finding import Finding
from fleet.rules.not_as_measured import not_as_measured
from fleet.statedir import StateDir
from fleet.telemetry import CPU, DURATIONS, RETRIED, SUCCEEDED, WAITS, WALL, nothing

DEFAULT_SECONDS = 86_400.0
_IMPORT_SECONDS = 20.0
_LIVE_SECONDS = 840.0  # the controller has these in memory, to the second; what is older is in the file


class Measured:
    """The findings of FLT323 on a fleet; the workers are asked once."""

    def __init__(self) -> None:
        self._evidence: dict[str, GroupEvidence] | None = None

    def __call__(self, fleet: Fleet) -> Iterator[Finding]:
        machine = fleet.machine.over(this_machine())
        if self._evidence is None:
            self._evidence = gather(fleet, state_dir(fleet), DEFAULT_SECONDS, machine.cpus.value)
        return not_as_measured(fleet, machine, self._evidence)


class _Ran(NamedTuple):
    """How a group ran: pool and slots of a worker since when (0: always); the pids of each worker that lives."""

    pool: str
    slots: int
    since: float
    pids: tuple[tuple[int, ...], ...] = ()


def gather(fleet: Fleet, state: StateDir, seconds: float, cpus: int) -> dict[str, GroupEvidence]:
    """By group; of the last so many seconds."""
    now, client = time.time(), ApiClient(state.api_socket)
    status = status_if_answering(state)
    live: dict[str, Any] = {}
    if status is not None:
        with suppress(ControllerUnavailable, ApiError):
            live = client.get(f"/statistics?window={_LIVE_SECONDS}")
    ran = _ran(fleet, live.get("groups_ran") or _remembered(state), status)
    asyncs, lessons = _asyncs(fleet), lesson_file.read(state)
    found = {}
    for name, each in ran.items():
        numbers = _numbers(state, max(now - seconds, each.since), now - _LIVE_SECONDS if live else now)
        if live and now - each.since > _LIVE_SECONDS:
            _add_live(numbers, live)
        elif live and (window := now - _next_minute(each.since)) > 0:
            with suppress(ControllerUnavailable, ApiError):
                _add_live(numbers, client.get(f"/statistics?window={window}"))
        queues = _own_queues(fleet, name)
        tasks = tuple(
            _task(queue, task, counts, asyncs.get(task))
            for (queue, task), counts in sorted(numbers.items())
            if queue in queues
        )
        if tasks:
            memory, cpu_wait, programs = _of_processes(each)
            ended, first = _ended(client, name) if live else ((), ())
            found[name] = GroupEvidence(
                *(name, each.pool, each.slots, with_programs(tasks, programs), cpus, cpu_wait, memory),
                ended=ended,
                first=first,
                lessons=lessons.get(name, Lessons()),
            )
    return found


def numbers_of_tasks(state: StateDir, seconds: float) -> dict[tuple[str, str], list[float]]:
    """Of each (queue, task) what workers have counted in the last so many seconds, whatever they ran by."""
    now, live = time.time(), {}
    if status_if_answering(state) is not None:
        with suppress(ControllerUnavailable, ApiError):
            live = ApiClient(state.api_socket).get(f"/statistics?window={_LIVE_SECONDS}")
    numbers = _numbers(state, now - seconds, now - _LIVE_SECONDS if live else now)
    if live:
        _add_live(numbers, live)
    return numbers


def _own_queues(fleet: Fleet, name: str) -> set[str]:
    """The queues that no other group takes from: else nobody could say whose tasks they were."""
    others = {queue for other, group in fleet.workers.items() if other != name for queue in group.queues}
    return set(fleet.workers[name].queues) - others


def _remembered(state: StateDir) -> dict[str, Any]:
    """Pool, slots and since when, by group, as the controller wrote them down."""
    if state.history.exists():
        with suppress(sqlite3.Error, ValueError), reading(state.history) as db:
            rows = db.execute("SELECT value FROM facts WHERE name = 'groups'").fetchall()
            return dict(json.loads(rows[0][0])) if rows else {}
    return {}


def _ran(fleet: Fleet, remembered: Mapping[str, Any], status: Mapping[str, Any] | None) -> dict[str, _Ran]:
    workers = {group["name"]: group["workers"] for group in status["groups"]} if status else {}
    found = {}
    for name in fleet.workers:
        if name in remembered:
            pool, slots, since = remembered[name]
            mine = workers.get(name, [])
            pids = tuple(
                tuple(each["pid"] for each in (one, *one["children"]) if each["pid"]) for one in mine
            )
            found[name] = _Ran(str(pool), int(slots), float(since), pids)
    return found


def _numbers(state: StateDir, begin: float, end: float) -> dict[tuple[str, str], list[float]]:
    """Of each (queue, task): what the minutes between have, added up."""
    found: dict[tuple[str, str], list[float]] = {}
    with suppress(sqlite3.Error):
        for key in ranges.names(state.history):
            if key.kind == "task":
                step = ranges.step_for(begin, end, time.time())
                points = ranges.series(state.history, key, _next_minute(begin), end, step).points
                for _, point in points:
                    _add(found, (key.name, key.task), point.counts)
    return found


def _add(numbers: dict[tuple[str, str], list[float]], key: tuple[str, str], counts: Sequence[float]) -> None:
    if counts:
        numbers[key] = list(map(add, numbers.get(key) or nothing(), counts))


def _add_live(numbers: dict[tuple[str, str], list[float]], live: Mapping[str, Any]) -> None:
    for each in live["tasks"]:
        counts, said = nothing(), each["window"]
        counts[SUCCEEDED], counts[WALL], counts[CPU] = said["ran"], said["wall_seconds"], said["cpu_seconds"]
        counts[DURATIONS:WAITS] = said["duration"]["buckets"]
        counts[WAITS:] = said["wait"]["buckets"]
        _add(numbers, (each["queue"], each["task"]), counts)


def _next_minute(since: float) -> float:
    """Points of a minute in which something changed tell of both; 0 is since ever."""
    return ceil(since / 60) * 60


def _task(queue: str, task: str, counts: Sequence[float], is_async: bool | None) -> TaskEvidence:
    ran = int(sum(counts[: RETRIED + 1]))
    return TaskEvidence(
        *(queue, task, ran, counts[WALL], counts[CPU], counts[DURATIONS:WAITS], counts[WAITS:]), is_async
    )


def _ended(client: ApiClient, group: str) -> tuple[tuple[TimedRun, ...], tuple[TimedRun, ...]]:
    """The last runs of its workers, and their first ones where these are not among the last."""
    with suppress(ControllerUnavailable, ApiError, KeyError, TypeError):
        said = client.get(f"/ended?group={quote(group)}")
        return _timed(said["ended"]), _timed(said.get("first", ()))
    return (), ()


def _timed(said: Iterable[Mapping[str, Any]]) -> tuple[TimedRun, ...]:
    return tuple(TimedRun(each["worker"], each["begun"], each["wall"]) for each in said)


def _of_processes(ran: _Ran) -> tuple[float, float | None, float]:
    """The most memory of a worker with its processes; seconds waited for a CPU for each on one, None: not known.

    And the CPU seconds of programs that its tasks have called: those of the processes that run tasks.
    """
    facts = [of_processes(pids) for pids in ran.pids]
    cpu = sum(each.cpu for each in facts)
    memory = max((each.peak for each in facts), default=0.0)
    runners = [pids[1:] if ran.pool == "prefork" else pids[:1] for pids in ran.pids]
    programs = sum(of_processes(pids).ended for pids in runners)
    return memory, sum(each.delayed for each in facts) / cpu if cpu > 1 else None, programs


def _asyncs(fleet: Fleet) -> dict[str, bool]:
    """Which tasks are `async def`, as far as the app can be imported here."""
    with suppress(Unreadable):
        found = take_inventory(app_import(fleet), fleet.folder, _IMPORT_SECONDS)
        if not isinstance(found, AppFailure):
            return {task.name: task.is_async for task in found.tasks}
    return {}
