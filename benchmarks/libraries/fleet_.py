"""fleet's side: tasks, preload, send; and a worker without a fleet around it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from benchmarks.work import ASYNC_BODIES, BODIES
from fleet import task

APP = "benchmarks.libraries.fleet_"
bodies = {**BODIES, **(ASYNC_BODIES if os.environ.get("BENCH_POOL") == "asyncio" else {})}
tasks: dict[str, Any] = {name: task(name=name)(body) for name, body in bodies.items()}


def send(name: str, *args: Any) -> None:
    tasks[name].send(*args)


def preload(name: str, calls: Iterable[Sequence[Any]]) -> None:
    tasks[name].send_many(calls)


def close() -> None:
    pass


def launch(folder: Path, app: str = APP) -> Path:
    """Write the file that `python -m fleet.worker` reads. By BENCH_POOL, BENCH_CONCURRENCY and others."""
    from fleet.launch_specs import WorkerLaunch, WorkerSpec
    from fleet.spec import BrokerSpec, QueueSpec, RouteSpec, RoutingSpec

    queue = QueueSpec(os.environ["BENCH_QUEUE"])
    broker = BrokerSpec(os.environ["BENCH_BROKER"])
    routing = folder / "routing.json"
    routing.write_text(RoutingSpec(broker, (queue,), (RouteSpec(("*",), queue.name),)).to_json())
    prefetch = os.environ.get("BENCH_PREFETCH")
    spec = WorkerSpec(
        fleet="bench",
        group="bench",
        app=(app,),
        pythonpath=(str(Path(__file__).parents[2]),),
        broker=broker,
        queues=(queue,),
        pool=os.environ["BENCH_POOL"],
        concurrency=int(os.environ["BENCH_CONCURRENCY"]),
        prefetch=int(prefetch) if prefetch else None,
        log_level="WARNING",  # as the peers
    )
    file = folder / "launch.json"
    file.write_text(
        WorkerLaunch("bench/0", 0, "bench", spec, str(folder / "control"), str(routing)).to_json()
    )
    return file
