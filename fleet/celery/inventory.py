"""The inventory of a Celery app for `fleet validate --app`: its tasks, where Celery's router sends them, its settings.

Called by `fleet/tasks/inventory.py`, by name, in a process that exists for this import only.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from kombu.common import Broadcast

from fleet.celery.loading import find_app, load

# Those that fleet takes from its own file, or knows nothing of: see fleet/rules/celery.py.
_SETTINGS = (
    *("broker_url", "accept_content", "task_serializer", "result_backend", "broker_transport_options"),
    *("worker_concurrency", "worker_pool", "worker_autoscaler", "worker_max_tasks_per_child"),
    *("worker_max_memory_per_child", "worker_prefetch_multiplier", "worker_consumer", "worker_agent"),
    *("task_always_eager", "broker_heartbeat", "broker_pool_limit", "broker_connection_max_retries"),
    *("worker_soft_shutdown_timeout", "worker_state_db"),
)


def take(entry: str) -> dict[str, Any]:
    """JSON. Raises BootFailed with what is wrong."""
    app = find_app(entry)
    load(app, entry)
    app.finalize()
    names = sorted(name for name in app.tasks if not name.startswith("celery."))
    return {
        "tasks": [_task(app, app.tasks[name]) for name in names],
        "celery": {
            "entry": entry,
            "settings": _settings(app),
            "bootsteps": sorted(str(step) for kind in ("worker", "consumer") for step in app.steps[kind]),
        },
    }


def _settings(app: Any) -> dict[str, Any]:
    """By name; "broadcast" are the names of such queues.

    "beat_loops" are entries of beat_schedule with their seconds, "beat_queues" those that name a queue, with it.
    """
    found = {name: _plain(app.conf[name]) for name in _SETTINGS if _is_set(app, name)}
    queues = app.amqp.queues.values()
    copies = sorted(queue.alias or queue.name for queue in queues if isinstance(queue, Broadcast))
    entries = app.conf.beat_schedule or {}
    apart = {"broadcast": copies, "beat_loops": dict(_loops(entries)), "beat_queues": dict(_named(entries))}
    return {**found, **{name: value for name, value in apart.items() if value}}


def _loops(entries: Any) -> Iterator[tuple[str, float]]:
    """The entries that fire more often than once a second."""
    from celery.schedules import maybe_schedule, schedule

    for name, entry in entries.items():
        when = maybe_schedule(entry.get("schedule")) if isinstance(entry, dict) else None
        if isinstance(when, schedule) and type(when) is schedule:
            seconds = when.run_every.total_seconds()
            if seconds < 1:
                yield str(name), seconds


def _named(entries: Any) -> Iterator[tuple[str, str]]:
    """The entries that name a queue; where the others go the task says, which has a place of its own."""
    for name, entry in entries.items():
        options = entry.get("options") if isinstance(entry, dict) else None
        if isinstance(options, dict) and (queue := options.get("queue")):
            yield str(name), str(getattr(queue, "name", queue))


def _task(app: Any, task: Any) -> dict[str, Any]:
    code = getattr(inspect.unwrap(task.run), "__code__", None)
    place = {"file": code.co_filename, "line": code.co_firstlineno} if code else {}
    return {
        "name": task.name,
        "queue": _queue(app, task),
        "early": not task.acks_late,
        "routed": True,
        **place,
    }


def _queue(app: Any, task: Any) -> str | None:
    """By Celery's own router, as a client would send it."""
    options = app.amqp.router.route(dict(task._get_exec_options()), task.name, (), {}, task)
    queue = options.get("queue")
    if isinstance(queue, Broadcast):
        return str(queue.alias or queue.name)  # its own name is a new one in each process
    return None if queue is None else str(getattr(queue, "name", queue))


def _is_set(app: Any, name: str) -> bool:
    """By the app, and not only by Celery's defaults."""
    from celery.app.defaults import NAMESPACES

    section, _, key = name.partition("_")
    option = NAMESPACES.get(section, {}).get(key) or NAMESPACES.get(name)
    default = getattr(option, "default", None)
    return bool(app.conf[name] != default)


def _plain(value: Any) -> Any:
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return sorted(map(str, value))
    if isinstance(value, dict):
        return {str(name): _plain(inner) for name, inner in value.items()}
    return repr(value)
