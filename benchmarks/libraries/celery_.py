"""Celery's side. Late acks, events off, protocol 2; results ignored unless BENCH_RESULTS names a place: as on fleet."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

from celery import Celery

from benchmarks.work import BODIES

_RESULTS = os.environ.get("BENCH_RESULTS")
app = Celery("bench", broker=os.environ["BENCH_BROKER"], backend=_RESULTS)
app.conf.update(
    task_acks_late=os.environ.get("BENCH_ACKS", "late") == "late",
    task_ignore_result=not _RESULTS,
    worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH") or 4),
    task_default_queue=os.environ["BENCH_QUEUE"],
    broker_connection_retry_on_startup=True,
    worker_send_task_events=False,
)
tasks = {name: app.task(name=name)(body) for name, body in BODIES.items()}


def send(name: str, *args: Any) -> None:
    tasks[name].delay(*args)


def preload(name: str, calls: Iterable[Sequence[Any]]) -> None:
    with app.producer_pool.acquire() as producer:
        for args in calls:
            tasks[name].apply_async(args, producer=producer)


def close() -> None:
    app.close()
