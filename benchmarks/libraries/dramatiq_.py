"""dramatiq's side: it acknowledges after the task, too."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import dramatiq

from benchmarks.work import BODIES

URL, QUEUE = os.environ["BENCH_BROKER"], os.environ["BENCH_QUEUE"]
broker: Any
if URL.startswith("redis"):
    from dramatiq.brokers.redis import RedisBroker

    broker = RedisBroker(url=URL, namespace=f"dramatiq-{QUEUE}")
else:
    from dramatiq.brokers.rabbitmq import RabbitmqBroker

    broker = RabbitmqBroker(url=URL.replace("5672//", "5672/%2F"))
dramatiq.set_broker(broker)
tasks = {name: dramatiq.actor(actor_name=name, queue_name=QUEUE)(body) for name, body in BODIES.items()}


def send(name: str, *args: Any) -> None:
    tasks[name].send(*args)


def preload(name: str, calls: Iterable[Sequence[Any]]) -> None:
    for args in calls:
        tasks[name].send(*args)


def close() -> None:
    broker.close()
