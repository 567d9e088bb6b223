"""saq's side, on Redis: a job lies in a list of active ones until it has ended, from where a sweep brings it back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from saq import Queue

from benchmarks.work import ASYNC_BODIES

NAME = os.environ["BENCH_QUEUE"]
loop = asyncio.new_event_loop()
queue = Queue.from_url(os.environ["BENCH_BROKER"], name=NAME)


def _with_context(body: Callable[..., Any]) -> Callable[..., Any]:
    async def run(_context: dict[str, Any], *, args: list[Any]) -> None:
        await body(*args)

    return run


# `ttl=-1` with each job: nobody asks for results here.
settings = {
    "queue": queue,
    "functions": [(name, _with_context(body)) for name, body in ASYNC_BODIES.items()],
    "concurrency": int(os.environ.get("BENCH_CONCURRENCY", "500")),
}


def send(name: str, *args: Any) -> None:
    loop.run_until_complete(queue.enqueue(name, args=list(args), ttl=-1, timeout=0))


def preload(name: str, calls: Iterable[Sequence[Any]]) -> None:
    async def all_of_them() -> None:
        for args in calls:
            await queue.enqueue(name, args=list(args), ttl=-1, timeout=0)

    loop.run_until_complete(all_of_them())


def close() -> None:
    loop.run_until_complete(queue.disconnect())
