"""taskiq's side, on Redis: a stream with acks, or (BENCH_KIND=list) a list without."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Sequence
from typing import Any

from taskiq_redis import ListQueueBroker, RedisStreamBroker

from benchmarks.work import BODIES, marks

URL, QUEUE = os.environ["BENCH_BROKER"], os.environ["BENCH_QUEUE"]
broker: Any
if os.environ.get("BENCH_KIND") == "list":
    broker = ListQueueBroker(URL, queue_name=QUEUE)
else:
    broker = RedisStreamBroker(URL, queue_name=QUEUE, consumer_group_name=QUEUE)
loop = asyncio.new_event_loop()


async def _noop() -> None:
    BODIES["noop"]()


async def _stamp(sent: int) -> None:
    BODIES["stamp"](sent)


async def _pause(seconds: float) -> None:
    marks.began()
    await asyncio.sleep(seconds)
    marks.ended(timed=True)


tasks = {
    name: broker.register_task(body, task_name=name)
    for name, body in {"noop": _noop, "stamp": _stamp, "pause": _pause}.items()
}


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
