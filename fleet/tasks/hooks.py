"""Functions that an app wants called around its workers, processes and tasks: `@fleet.on_process_start` and its kin.

What they are for: connections that are opened after the fork, closed when the worker ends, and looked after around
each task. A process opens them in `on_process_start`: what was opened before a fork is not to be used after it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple, TypeVar

from fleet.tasks.running import Current


class Ended(NamedTuple):
    """How a task has ended, for `on_task_end`."""

    outcome: Literal["succeeded", "failed", "retry"]
    error: BaseException | None
    seconds: float


Plain = TypeVar("Plain", bound=Callable[[], object])
Starting = TypeVar("Starting", bound=Callable[[Current], object])
Ending = TypeVar("Ending", bound=Callable[[Current, Ended], object])

worker_start: list[Callable[[], object]] = []
process_start: list[Callable[[], object]] = []
worker_stop: list[Callable[[], object]] = []
task_start: list[Callable[[Current], object]] = []
task_end: list[Callable[[Current, Ended], object]] = []


def on_worker_start(function: Plain) -> Plain:
    """Call it once per worker, when the app has been imported: in prefork in the process that others are forked from.

    What it raises keeps the worker from starting.
    """
    worker_start.append(function)
    return function


def on_process_start(function: Plain) -> Plain:
    """Call it in each process that runs tasks, before its first one: after the fork in prefork, else in the worker.

    What it raises keeps the worker from starting.
    """
    process_start.append(function)
    return function


def on_task_start(function: Starting) -> Starting:
    """Call it before each task, in its thread, with what `fleet.current` is. What it raises fails the task."""
    task_start.append(function)
    return function


def on_task_end(function: Ending) -> Ending:
    """Call it after each task, with how it ended. What it raises is logged, and changes nothing."""
    task_end.append(function)
    return function


def on_worker_stop(function: Plain) -> Plain:
    """Call it once when the worker has drained, where `on_worker_start` was called. Not when it is killed."""
    worker_stop.append(function)
    return function
