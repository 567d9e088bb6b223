"""arq's side, on Redis: a job stays in its sorted set until it has ended, and is run again if its worker dies."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from arq import create_pool, func
from arq.connections import RedisSettings

from benchmarks.work import ASYNC_BODIES

QUEUE = os.environ["BENCH_QUEUE"]
REDIS = RedisSettings.from_dsn(os.environ["BENCH_BROKER"])
loop = asyncio.new_event_loop()
_pools: list[Any] = []


def _with_context(body: Callable[..., Any]) -> Callable[..., Any]:
    async def run(_context: dict[str, Any], *args: Any) -> None:
        await body(*args)

    return run


class WorkerSettings:
    """What `arq` runs. `keep_result=0`: nobody asks for results here."""

    functions: ClassVar[list[Any]] = [
        func(_with_context(body), name=name) for name, body in ASYNC_BODIES.items()
    ]
    redis_settings = REDIS
    queue_name = QUEUE
    max_jobs = int(os.environ.get("BENCH_CONCURRENCY", "500"))
    keep_result = 0
    poll_delay = 0.01  # its default of half a second is for machines that rest
    queue_read_limit = max(max_jobs * 5, 100)


async def _pool() -> Any:
    if not _pools:
        _pools.append(await create_pool(REDIS, default_queue_name=QUEUE))
    return _pools[0]


def send(name: str, *args: Any) -> None:
    async def one() -> None:
        await (await _pool()).enqueue_job(name, *args)

    loop.run_until_complete(one())


def preload(name: str, calls: Iterable[Sequence[Any]]) -> None:
    async def all_of_them() -> None:
        pool = await _pool()
        for args in calls:
            await pool.enqueue_job(name, *args)

    loop.run_until_complete(all_of_them())


def close() -> None:
    if _pools:
        loop.run_until_complete(_pools[0].aclose())
