"""huey's side, on Redis. It takes a message off the queue before it runs it: a kill loses it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from huey import RedisHuey

from benchmarks.work import BODIES

huey = RedisHuey(os.environ["BENCH_QUEUE"], url=os.environ["BENCH_BROKER"], results=False)
tasks = {name: huey.task(name=name)(body) for name, body in BODIES.items()}


def send(name: str, *args: Any) -> None:
    tasks[name](*args)


def preload(name: str, calls: Iterable[Sequence[Any]]) -> None:
    for args in calls:
        tasks[name](*args)


def close() -> None:
    pass
