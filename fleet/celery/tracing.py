"""Celery's tracers, with what a worker adds around the call of a task's own function, and around nothing else.

That is where the soft time limit holds: it must not ring while the tracer writes the result. It is where a coroutine
is run (Celery itself would store the coroutine's repr as the result). It is where a copy of this process ends that the
task has forked. A tracer keeps the function to call in a cell of its own, `fun`; that is replaced.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from fleet.celery.coroutines import run_to_its_end
from fleet.worker import forks
from fleet.worker.execution import Limits

if TYPE_CHECKING:
    from celery import Celery

# Of the delivery that runs: how limits are set here, and (soft, hard) in seconds.
limiting: ContextVar[tuple[Limits, float | None, float | None] | None] = ContextVar("fleet.celery.limits")


def build_tracers(app: Celery, node_name: str) -> None:
    """For all tasks that there are."""
    for name, task in app.tasks.items():
        build(name, task, app, node_name)


def build(name: str, task: Any, app: Celery, node_name: str) -> Callable[..., Any]:
    """The tracer of a task, which the task keeps."""
    from celery.app.trace import build_tracer

    tracer: Any = build_tracer(name, task, app.loader, node_name, app=app)
    cell = tracer.__closure__[tracer.__code__.co_freevars.index("fun")]
    cell.cell_contents = _limited(cell.cell_contents)
    task.__trace__ = tracer
    return tracer  # type: ignore[no-any-return]


def _limited(function: Callable[..., Any]) -> Callable[..., Any]:
    pid = os.getpid()

    def call(*args: Any, **kwargs: Any) -> Any:
        limit = limiting.get(None)
        try:
            if limit is None:
                result = function(*args, **kwargs)
                if inspect.iscoroutine(result):
                    result = run_to_its_end(result)
            else:
                limits, soft, hard = limit
                with limits(soft, hard):
                    result = function(*args, **kwargs)
                    if inspect.iscoroutine(result):
                        result = run_to_its_end(result)
        except BaseException as error:
            if os.getpid() != pid:
                forks.end_copy(error)
            raise
        if os.getpid() != pid:
            forks.end_copy(None)
        return result

    return call
