"""The answers to GET /running and GET /ended: the tasks that run just now, and the last that did, as workers say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fleet.controller.reconciler import Reconciler
from fleet.telemetry import MOST_RUNNING

_MOST_ENDED = 1000  # that a worker remembers


async def running(reconciler: Reconciler, group: str | None) -> dict[str, Any]:
    """MOST_RUNNING at most; `total` says how many there are, `silent` which workers have not answered."""
    by_pid = _workers(reconciler, group)
    said = await reconciler.workers.ask(by_pid, "running")
    tasks = [
        {**task, "worker": by_pid[pid]}
        for pid, answer in said.items()
        for task in _tasks(answer.get("running"))
    ]
    tasks.sort(key=lambda task: task["since"])
    latest = reconciler.workers.reports
    return {
        "running": tasks[:MOST_RUNNING],
        "total": sum(latest[pid].report.in_flight for pid in by_pid if pid in latest),
        "silent": sorted(name for pid, name in by_pid.items() if pid not in said),
    }


async def ended(reconciler: Reconciler, group: str | None) -> dict[str, Any]:
    """Up to a thousand of each worker; `begun` is a time of that worker's clock, and of no other.

    `first`: the first ones of each worker that has ended more since.
    """
    by_pid = _workers(reconciler, group)
    said = await reconciler.workers.ask(by_pid, "ended")
    tasks = [
        {**{name: each[name] for name in ("task", "outcome", "begun", "wall")}, "worker": by_pid[pid]}
        for pid, answer in said.items()
        for each in _fitting(answer.get("ended"), ("task", "outcome"), ("begun", "wall"))
    ]
    first = [
        {**{name: each[name] for name in ("task", "begun", "wall")}, "worker": by_pid[pid]}
        for pid, answer in said.items()
        for each in _fitting(answer.get("first"), ("task",), ("begun", "wall"))
    ]
    return {
        "ended": tasks,
        "first": first,
        "silent": sorted(name for pid, name in by_pid.items() if pid not in said),
    }


def _workers(reconciler: Reconciler, group: str | None) -> dict[int, str]:
    """Names of those that live, by pid; of all groups for None."""
    observation = reconciler.observation
    return {
        worker.pid: worker.worker
        for worker in (observation.workers if observation else ())
        if worker.pid and (group is None or worker.group == group)
    }


def _tasks(said: Any) -> list[dict[str, Any]]:
    texts, numbers = ("id", "task", "queue"), ("since", "process")
    return [
        {name: each[name] for name in (*texts, *numbers)}
        for each in _fitting(said, texts, numbers)[:MOST_RUNNING]
    ]


def _fitting(said: Any, texts: Sequence[str], numbers: Sequence[str]) -> list[dict[str, Any]]:
    """The runs that have the right shape: a worker runs other people's code."""
    return [
        each
        for each in (said if isinstance(said, list) else [])[:_MOST_ENDED]
        if isinstance(each, dict)
        and all(isinstance(each.get(name), str) for name in texts)
        and all(isinstance(each.get(name), int | float) for name in numbers)
    ]
