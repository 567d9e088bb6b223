"""taskiq's side, on Redis: a stream with acks, or (BENCH_KIND=list) a list without."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from typing import Any

from taskiq_redis import ListQueueBroker, RedisStreamBroker

from benchmarks.work import ASYNC_BODIES

URL, QUEUE = os.environ["BENCH_BROKER"], os.environ["BENCH_QUEUE"]
broker: Any
if os.environ.get("BENCH_KIND") == "list":
    broker = ListQueueBroker(URL, queue_name=QUEUE)
else:
    broker = RedisStreamBroker(URL, queue_name=QUEUE, consumer_group_name=QUEUE)
loop = asyncio.new_event_loop()


tasks = {name: broker.register_task(body, task_name=name) for name, body in ASYNC_BODIES.items()}


def send(name: str, *args: Any) -> None:
    loop.run_until_complete(tasks[name].kiq(*args))


def preload(name: str, calls: Iterable[Sequence[Any]]) -> None:
    async def all_of_them() -> None:
        await broker.startup()
        for args in calls:
            await tasks[name].kiq(*args)

    loop.run_until_complete(all_of_them())


def close() -> None:
    loop.run_until_complete(broker.shutdown())
