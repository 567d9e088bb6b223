"""Keys of other tools: what fleet calls them, and what their values are here."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from fleet.config.toml import to_toml
from fleet.config.units import format_duration
from fleet.rules.finding import KeyPath

Convert = Callable[[Any], Any]


class Foreign(NamedTuple):
    """`key` is fleet's name, None where fleet has none. `convert`: fleet's value, or None if it can't be told.

    `safe`: it can't mean anything else. `advice`: when there is more to say than the name.
    """

    tool: str
    key: str | None = None
    convert: Convert | None = None
    safe: bool = True
    advice: str | None = None


def _kib(value: Any) -> Any:
    return f"{value}KiB" if isinstance(value, int) and not isinstance(value, bool) else None


def _milliseconds(value: Any) -> Any:
    is_number = isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**14
    return format_duration(timedelta(milliseconds=value)) if is_number else None


def _late(value: Any) -> Any:
    return {True: "late", False: "early"}.get(value) if isinstance(value, bool) else None


def _bounds(value: Any) -> Any:
    """Celery's "max,min"."""
    parts = value.split(",") if isinstance(value, str) else value
    try:
        most, least = (int(part) for part in parts)
    except (TypeError, ValueError):
        return None
    return {"min": least, "max": most}


def _table(value: Any) -> Any:
    return value if isinstance(value, dict) else None


_LONG = 60
_CELERY, _SUPERVISOR, _SYSTEMD, _RABBIT = "Celery", "supervisord", "systemd", "RabbitMQ"
_ITSELF = "remove it: fleet does that by itself"

_GROUP: dict[str, Foreign] = {
    **dict.fromkeys(("worker_concurrency", "celeryd_concurrency"), Foreign(_CELERY, "concurrency")),
    "processes": Foreign("other tools", "concurrency", safe=False),
    **dict.fromkeys(
        ("threads", "greenlets", "parallelism"), Foreign("other tools", "concurrency", safe=False)
    ),
    "numprocs": Foreign(_SUPERVISOR, "replicas"),
    "numprocesses": Foreign("circus", "replicas"),
    "instances": Foreign("other tools", "replicas"),
    **dict.fromkeys(("worker_pool", "celeryd_pool", "pool_cls"), Foreign(_CELERY, "pool")),
    "worker_class": Foreign("gunicorn", "pool"),
    **dict.fromkeys(
        ("max_tasks_per_child", "worker_max_tasks_per_child", "celeryd_max_tasks_per_child"),
        Foreign(_CELERY, "max_tasks"),
    ),
    "max_requests": Foreign("gunicorn", "max_tasks"),
    **dict.fromkeys(
        ("max_memory_per_child", "worker_max_memory_per_child", "celeryd_max_memory_per_child"),
        Foreign(_CELERY, "max_memory", _kib, advice="Celery counts KiB"),
    ),
    **dict.fromkeys(("task_time_limit", "celeryd_task_time_limit"), Foreign(_CELERY, "time_limit")),
    **dict.fromkeys(
        ("task_soft_time_limit", "celeryd_task_soft_time_limit"), Foreign(_CELERY, "soft_time_limit")
    ),
    **dict.fromkeys(("timeout", "job_timeout"), Foreign("other tools", "time_limit", safe=False)),
    **dict.fromkeys(("acks_late", "task_acks_late", "celery_acks_late"), Foreign(_CELERY, "acks", _late)),
    **dict.fromkeys(
        ("prefetch_multiplier", "worker_prefetch_multiplier", "celeryd_prefetch_multiplier"),
        Foreign(
            _CELERY,
            advice='fleet\'s `prefetch` counts deliveries per worker: the multiplier times concurrency, or "auto"',
        ),
    ),
    **dict.fromkeys(
        ("autoscale", "worker_autoscaler"),
        Foreign(
            _CELERY, "replicas", _bounds, safe=False, advice="fleet scales workers, not the pool's processes"
        ),
    ),
    "stopwaitsecs": Foreign(_SUPERVISOR, "grace_period"),
    "timeoutstopsec": Foreign(_SYSTEMD, "grace_period"),
    "graceful_timeout": Foreign("gunicorn", "grace_period"),
    "stop_grace_period": Foreign("Docker Compose", "grace_period"),
    "terminationgraceperiodseconds": Foreign("Kubernetes", "grace_period"),
    "environment": Foreign(_SUPERVISOR, "env", _table, advice='a table: env = { NAME = "value" }'),
    "uid": Foreign("circus", "user"),
    **dict.fromkeys(
        ("autostart", "autorestart", "startsecs", "startretries", "stopsignal", "redirect_stderr"),
        Foreign(_SUPERVISOR, advice=_ITSELF),
    ),
    **dict.fromkeys(
        ("command", "cmd"),
        Foreign(_SUPERVISOR, advice="remove it: `app`, `pool` and `queues` say what a worker runs"),
    ),
    "directory": Foreign(_SUPERVISOR, advice="`pythonpath` in [fleet] says where modules are found"),
    **dict.fromkeys(
        ("stdout_logfile", "stderr_logfile", "logfile", "loglevel"),
        Foreign(_SUPERVISOR, advice="remove it: `fleet logs` shows what workers print"),
    ),
    **dict.fromkeys(("execstart", "restart", "restartsec"), Foreign(_SYSTEMD, advice=_ITSELF)),
}
_BROKER: dict[str, Foreign] = {
    **dict.fromkeys(("broker_url", "celery_broker_url"), Foreign(_CELERY, "url")),
    **dict.fromkeys(("uri", "dsn"), Foreign("other tools", "url")),
    **dict.fromkeys(("accept_content", "celery_accept_content"), Foreign(_CELERY, "accept")),
    "broker_heartbeat": Foreign(_CELERY, "heartbeat"),
    "broker_transport_options": Foreign(_CELERY, "transport_options"),
    "visibility_timeout": Foreign(
        _CELERY,
        "lease",
        safe=False,
        advice="a lease is renewed while the task runs, so that it can be short: 30s is the default",
    ),
}
_FLEET: dict[str, Foreign] = {
    **dict.fromkeys(
        ("include", "imports", "celery_imports", "celery_include", "celery_app"), Foreign(_CELERY, "app")
    ),
    "environmentfile": Foreign(_SYSTEMD, "env_file"),
    "workingdirectory": Foreign(_SYSTEMD, advice="`pythonpath` says where modules are found"),
    **dict.fromkeys(
        ("broker_url", "celery_broker_url"), Foreign(_CELERY, advice='write it below [broker]: url = "…"')
    ),
}
_QUEUE: dict[str, Foreign] = {
    "x-message-ttl": Foreign(_RABBIT, "message_ttl", _milliseconds, advice="RabbitMQ counts milliseconds"),
    "x-max-priority": Foreign(_RABBIT, "max_priority"),
    "ttl": Foreign("other tools", "message_ttl", safe=False),
    "dead_letter_queue": Foreign("other tools", "dead_letter"),
    "dlq": Foreign("other tools", "dead_letter"),
    "queue_arguments": Foreign("kombu", "arguments"),
}
_TOP: dict[str, Foreign] = {
    **dict.fromkeys(
        ("beat_schedule", "celerybeat_schedule"),
        Foreign(_CELERY, advice="write a [[schedules]] for each, with task and cron, or every"),
    ),
    **dict.fromkeys(
        ("task_routes", "celery_routes"), Foreign(_CELERY, advice="write [[routes]] with task and queue")
    ),
    **dict.fromkeys(
        ("task_queues", "celery_queues"), Foreign(_CELERY, advice="write [queues.NAME] for each")
    ),
    **dict.fromkeys(
        ("broker_url", "celery_broker_url"), Foreign(_CELERY, advice='write it below [broker]: url = "…"')
    ),
    **dict.fromkeys(
        ("program", "programs"), Foreign(_SUPERVISOR, advice="a program is a [workers.NAME] here")
    ),
    "services": Foreign("Docker Compose", advice="a service is a [workers.NAME] here"),
}
_BY_TABLE = {"workers": _GROUP, "defaults": _GROUP, "queues": _QUEUE, "broker": _BROKER, "fleet": _FLEET}


def foreign(path: KeyPath) -> Foreign | None:
    """What another tool means by the key at `path`."""
    table = _BY_TABLE.get(str(path[0]), {}) if len(path) > 1 else _TOP
    name = str(path[-1]).lower()
    return table.get(name) or table.get(name.replace("-", "_"))


def in_words(known: Foreign, value: Any) -> str | None:
    """What to write, in one sentence."""
    if known.key is None:
        return known.advice
    own = known.convert(value) if known.convert else value
    line = f"{known.key} = {to_toml(own)}"
    if own is None or len(line) > _LONG:
        return known.advice or f"write `{known.key}`"
    return f"write {line}" + (f": {known.advice}" if known.advice else "")
