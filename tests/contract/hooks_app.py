"""An app with hooks, and one task that logs; it journals who was called in which process."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import fleet
from fleet import task
from fleet.tasks import Current

logger = logging.getLogger("shop.images")


def note(what: str, **more: object) -> None:
    line = json.dumps({"key": "hooks", "what": what, "pid": os.getpid(), **more}) + "\n"
    with Path(os.environ["CONTRACT_JOURNAL"]).open("a") as file:
        file.write(line)


@fleet.on_worker_start
def worker_start() -> None:
    note("worker_start")


@fleet.on_process_start
def process_start() -> None:
    note("process_start")
    if os.environ.get("HOOKS_FAIL"):
        raise ConnectionError("the database is away")


@fleet.on_task_start
def task_start(current: Current) -> None:
    note("task_start", task=current.task)


@fleet.on_task_end
def task_end(_current: Current, ended: fleet.Ended) -> None:
    note("task_end", outcome=ended.outcome, error=type(ended.error).__name__)
    raise RuntimeError("what a hook raises after a task changes nothing")


@fleet.on_worker_stop
def worker_stop() -> None:
    note("worker_stop")


@task
def logs(text: str) -> None:
    logger.warning("said: %s", text, extra={"size": 7})


@task(max_retries=0)
def fails() -> None:
    raise ValueError("no")
