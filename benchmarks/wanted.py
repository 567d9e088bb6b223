"""What is to be reached, row by row."""

from __future__ import annotations

from benchmarks.target import FASTEST, Target

_BOTH = ("redis", "rabbitmq")


def _faster(broker: str, pool: str, theirs: str, times: float) -> Target:
    what = f"{broker}, {pool}: tasks/s"
    return Target(what, "throughput", "tasks_per_second", f"{broker}: fleet {pool}", theirs, times)


def _cheaper(broker: str, times: float) -> Target:
    ours, theirs = f"{broker}: fleet prefork 2", f"{broker}: Celery prefork 2"
    return Target(
        f"{broker}, prefork 2", "throughput", "cpu_seconds_per_1000", ours, theirs, times, less=True
    )


def _io(broker: str, pool: str = "gevent") -> Target:
    ours = f"{broker}: fleet {pool} 500"
    what = f"{broker}, {pool}: 5,000 tasks of 100 ms, 500 slots: s"
    return Target(what, "io", "seconds", ours, "", 1.15, less=True)


def _ten_thousand(pool: str) -> Target:
    ours = f"redis: fleet {pool} 10000, 10,000 of 5 s"
    # Twice five, less a little: all were running at once.
    what = f"redis, {pool}: 10,000 tasks of 5 s, 10,000 slots: s"
    return Target(what, "green", "seconds", ours, "", 9.9, less=True)


def _sooner(broker: str) -> Target:
    ours, theirs = f"{broker}: fleet prefork 2", f"{broker}: {FASTEST}"
    return Target(f"{broker}, prefork 2: p50", "latency", "p50_ms", ours, theirs, 1.0, less=True)


def _steady(broker: str) -> Target:
    ours = f"{broker}: fleet prefork 2"
    what = f"{broker}, prefork 2: p99 / p50"
    return Target(what, "latency", "p99_ms", ours, ours, 3.0, less=True, than="p50_ms")


def _publishes(broker: str, metric: str, times: float) -> Target:
    what = f"{broker}: {'`send_many`' if metric == 'batch_per_second' else '`send`'}, confirmed"
    ours, theirs = f"{broker}: fleet solo", f"{broker}: Celery solo"
    return Target(what, "publish", metric, ours, theirs, times, than="per_second")


def _idles(broker: str, pool: str) -> list[Target]:
    ours, theirs = f"{broker}: fleet {pool}", f"{broker}: Celery {pool}"
    return [
        Target(f"{broker}, {pool}: CPU %", "idle", "cpu_percent", ours, "", 0.2, less=True),
        Target(f"{broker}, {pool}: PSS", "idle", "pss_megabytes", ours, theirs, 2 / 3, less=True),
    ]


def _starts(what: str, metric: str, fleet: str, theirs: str, times: float) -> Target:
    return Target(what, "start", metric, f"redis: {fleet}", f"redis: {theirs}", times, less=True)


def _command(verb: str) -> Target:
    return Target(f"`fleet {verb}`: ms", "control", "p50_ms", f"redis: fleet {verb}", "", 150.0, less=True)


def _flat(broker: str, size: str, many: str) -> Target:
    few, most = f"{broker}: fleet solo, 1,000 x {size}", f"{broker}: fleet solo, {many} x {size}"
    what = f"{broker}, {size}: {many} queued, cost per message"
    return Target(what, "backlog", "ms_per_message", most, few, 1.2, less=True)


def _million(broker: str) -> list[Target]:
    few, many = f"{broker}: fleet solo, 10,000 queued", f"{broker}: fleet solo, 1,000,000 queued"
    return [
        Target(f"{broker}, a million queued: tasks/s", "million", "tasks_per_second", many, few, 0.9),
        Target(f"{broker}, a million queued: PSS", "million", "pss_megabytes", many, few, 1.1, less=True),
    ]


def _fair(broker: str) -> Target:
    what = f"{broker}, prefork 2: extra wait p99, ms"
    return Target(what, "fairness", "extra_p99_ms", f"{broker}: fleet prefork 2", "", 100.0, less=True)


_FOUR = ("fleet up, 4 groups", "celery multi, 4 groups")
_TWENTY = ("fleet up, 20 replicas, preload", "supervisord + Celery, 20 replicas")

WANTED = {
    "Redis, prefork": [
        _faster("redis", "prefork 2", "redis: Celery prefork 2", 12),
        _faster("redis", "prefork 2", "redis: dramatiq 2 x 8 threads", 3),
        _faster("redis", "prefork 2", f"redis: {FASTEST}", 2),
    ],
    "Redis, other pools": [
        _faster("redis", "solo", "redis: Celery solo", 10),
        _faster("redis", "threads 8", "redis: Celery threads 8", 10),
        _faster("redis", "gevent 100", "redis: Celery gevent 100", 10),
        _faster("redis", "eventlet 100", "redis: Celery eventlet 100", 10),
    ],
    "RabbitMQ": [
        _faster("rabbitmq", "prefork 2", "rabbitmq: Celery prefork 2", 3.5),
        _faster("rabbitmq", "prefork 2", "rabbitmq: dramatiq 2 x 8 threads", 1.7),
        _faster("rabbitmq", "solo", "rabbitmq: raw py-amqp, an ack each", 0.8),
    ],
    "SQLite beside Celery on Redis": [_faster("sqlite", "prefork 2", "redis: Celery prefork 2", 8)],
    "CPU per 1,000 tasks": [_cheaper("redis", 0.25), _cheaper("rabbitmq", 0.5)],
    "I/O": [
        *(_io(broker) for broker in (*_BOTH, "sqlite")),
        *(_io(broker, "asyncio") for broker in (*_BOTH, "sqlite")),
        *map(_ten_thousand, ("gevent", "asyncio")),
    ],
    "asyncio": [
        *(
            _faster(broker, "asyncio 100", f"{broker}: fleet gevent 100", 1.0)
            for broker in (*_BOTH, "sqlite")
        ),
        _faster("redis", "asyncio 100", "redis: taskiq stream, 1 worker", 1.0),
        _faster("redis", "asyncio 100", "redis: arq 100", 1.0),
        _faster("redis", "asyncio 100", "redis: saq 100", 1.0),
    ],
    "Latency": [*map(_sooner, _BOTH), *map(_steady, _BOTH)],
    "Publishing": [
        *(_publishes(broker, "per_second", 1.0) for broker in _BOTH),
        *(_publishes(broker, "batch_per_second", 5.0) for broker in _BOTH),
    ],
    "Idle": [
        *_idles("redis", "prefork 2"),
        *_idles("redis", "solo"),
        *_idles("rabbitmq", "prefork 2"),
        *_idles("rabbitmq", "solo"),
        Target(
            "redis, prefork 2: requests/s",
            "idle",
            "redis_requests_per_second",
            "redis: fleet prefork 2",
            "",
            1.0,
            less=True,
        ),
    ],
    "Start": [
        _starts("4 groups: first task done", "start_seconds", *_FOUR, 0.5),
        _starts("20 replicas: all ready", "ready_seconds", *_TWENTY, 0.25),
        _starts("20 replicas: PSS of all", "pss_megabytes", *_TWENTY, 0.5),
    ],
    "Commands": [_command(verb) for verb in ("validate", "status", "send")],
    "Backlog": [
        *(_flat(broker, "100 B", "100,000") for broker in (*_BOTH, "sqlite")),
        *(_flat(broker, "10 kB", "100,000") for broker in (*_BOTH, "sqlite")),
        *_million("redis"),
        *_million("sqlite"),
    ],
    "Fairness": [_fair(broker) for broker in (*_BOTH, "sqlite")],
}
