"""The answer to GET /stacks?worker=http/0: where its code is just now, in every process and green thread of it."""

from __future__ import annotations

import asyncio
from typing import Any

from starlette.exceptions import HTTPException

from fleet.controller.history.leftovers import folders
from fleet.controller.observed.stacks import GENTLE_SECONDS, ThreadStack, ask, force, green_threads, threads
from fleet.controller.reconciler import Reconciler

_MOST_FRAMES = 60


async def stacks(reconciler: Reconciler, name: str) -> dict[str, Any]:
    """Raises HTTPException for a worker that there is not."""
    observation = reconciler.observation
    pids = {
        each.pid: each
        for each in (observation.workers if observation else ())
        if each.worker == name and each.pid
    }
    if not pids:
        raise HTTPException(404, f"there is no worker {name!r} that runs")
    children = {pid for main in pids for pid in _children(reconciler, main)} - set(pids)
    where = list(folders(reconciler.state))
    said, texts = await asyncio.gather(
        reconciler.workers.ask(pids, "stacks", seconds=GENTLE_SECONDS),
        asyncio.to_thread(ask, children, where),
    )
    texts |= {pid: text for pid, answer in said.items() if (text := str(answer.get("threads", "")))}
    texts |= await asyncio.to_thread(force, [pid for pid in {*pids, *children} if pid not in texts], where)
    processes = dict.fromkeys(children, "pool process") | dict.fromkeys(pids, "worker")
    return {
        "worker": name,
        "processes": [
            {
                "pid": pid,
                "role": role,
                "answered": pid in texts,
                "threads": [_thread(each) for each in threads(texts.get(pid, ""))],
                "green": [_thread(each) for each in green_threads(str(said.get(pid, {}).get("green", "")))],
            }
            for pid, role in sorted(processes.items(), key=lambda each: (each[1] != "worker", each[0]))
        ],
    }


def _children(reconciler: Reconciler, pid: int) -> tuple[int, ...]:
    latest = reconciler.workers.reports.get(pid)
    return latest.report.children if latest else ()


def _thread(each: ThreadStack) -> dict[str, Any]:
    return {
        "name": each.name,
        "runs_task": each.runs_task,
        "place": each.place,
        "frames": [str(frame) for frame in each.frames[:_MOST_FRAMES]],
    }
