"""Who takes part in which scenario."""

from __future__ import annotations

from benchmarks.contenders import Contender, celery, celery_app, fleet

# Part of --quick, in whichever scenario.
QUICK = frozenset(
    {
        *(
            "redis: fleet prefork 2",
            "redis: Celery prefork 2",
            "redis: fleet gevent 500",
            "redis: fleet solo",
        ),
        *("redis: Celery solo", "redis: dramatiq 2 x 8 threads", "redis: raw redis-py, batches of 64"),
        *("rabbitmq: fleet prefork 2", "rabbitmq: Celery prefork 2", "rabbitmq: fleet solo"),
        *("sqlite: fleet prefork 2", "sqlite: fleet solo"),
        "redis: fleet, Celery app, prefork 2",
        *("redis: fleet up, 4 groups", "redis: celery multi, 4 groups"),
        *("redis: fleet validate", "redis: fleet status", "redis: fleet send"),
    }
)

# One process each, with as many coroutines at once as fleet's.
ASYNC_PEERS = [
    Contender("taskiq stream, 1 worker", "taskiq", "redis", "async", 1, 2000),
    Contender("arq 100", "arq", "redis", "async", 100, 1000),
    Contender("saq 100", "saq", "redis", "async", 100, 1000),
]
ASYNC_PEERS_500 = [
    Contender("arq 500", "arq", "redis", "async", 500, 1000),
    Contender("saq 500", "saq", "redis", "async", 500, 1000),
]

THROUGHPUT = [
    fleet("redis", "prefork", 2, 12000),
    celery("redis", "prefork", 2, 800),
    celery("redis", "prefork", 2, 1000, tuned=True),
    Contender("dramatiq 2 x 8 threads", "dramatiq", "redis", "threads", 16, 3000),
    Contender("taskiq stream, 2 workers", "taskiq", "redis", "async", 2, 4000),
    Contender("huey 2 processes", "huey", "redis", "process", 2, 4000, loses=True),
    fleet("redis", "solo", 1, 12000),
    celery("redis", "solo", 1, 1000),
    fleet("redis", "threads", 8, 8000),
    celery("redis", "threads", 8, 900),
    fleet("redis", "gevent", 100, 8000),
    celery("redis", "gevent", 100, 900),
    fleet("redis", "eventlet", 100, 8000),
    celery("redis", "eventlet", 100, 900),
    fleet("redis", "asyncio", 100, 8000),
    *ASYNC_PEERS,
    Contender("raw redis-py, batches of 64", "raw", "redis", "redis", 1, 20000),
    fleet("rabbitmq", "prefork", 2, 5000),
    celery("rabbitmq", "prefork", 2, 2000),
    celery("rabbitmq", "prefork", 2, 2500, tuned=True),
    Contender("dramatiq 2 x 8 threads", "dramatiq", "rabbitmq", "threads", 16, 4000),
    fleet("rabbitmq", "solo", 1, 6000),
    celery("rabbitmq", "solo", 1, 4000, tuned=True),
    fleet("rabbitmq", "threads", 8, 5000),
    celery("rabbitmq", "threads", 8, 2500),
    fleet("rabbitmq", "gevent", 100, 5000),
    celery("rabbitmq", "gevent", 100, 2500),
    fleet("rabbitmq", "eventlet", 100, 5000),
    celery("rabbitmq", "eventlet", 100, 2000),
    fleet("rabbitmq", "asyncio", 100, 5000),
    Contender("raw py-amqp, an ack each", "raw", "rabbitmq", "amqp", 1, 8000),
    Contender("raw py-amqp, acks of 16", "raw", "rabbitmq", "amqp-batched", 1, 10000),
    fleet("sqlite", "prefork", 2, 12000),
    fleet("sqlite", "solo", 1, 12000),
    fleet("sqlite", "threads", 8, 8000),
    fleet("sqlite", "gevent", 100, 8000),
    fleet("sqlite", "asyncio", 100, 8000),
    Contender("raw sqlite3, batches of 64", "raw", "sqlite", "sqlite", 1, 20000),
]

# One Celery app, under both; fleet's own tasks beside it are in `throughput`.
CELERY_APP = [
    *celery_app("redis", "prefork", 2, (5000, 600), results=False),
    *celery_app("redis", "prefork", 2, (1200, 400), results=True),
    *celery_app("redis", "gevent", 100, (2000, 500), results=True),
    *celery_app("rabbitmq", "prefork", 2, (3000, 1000), results=False),
    *celery_app("rabbitmq", "prefork", 2, (1000, 500), results=True),
]

IO = [
    fleet("redis", "gevent", 500, 5000),
    fleet("redis", "eventlet", 500, 5000),
    fleet("redis", "asyncio", 500, 5000),
    fleet("redis", "threads", 500, 5000),
    celery("redis", "gevent", 500, 1000),
    celery("redis", "threads", 500, 1000),
    Contender("dramatiq 2 x 250 threads", "dramatiq", "redis", "threads", 500, 3000),
    Contender("taskiq stream, 1 worker", "taskiq", "redis", "async", 1, 3000),
    *ASYNC_PEERS_500,
    Contender("huey 500 greenlets", "huey", "redis", "greenlet", 500, 1000, loses=True),
    fleet("rabbitmq", "gevent", 500, 5000),
    fleet("rabbitmq", "eventlet", 500, 5000),
    fleet("rabbitmq", "asyncio", 500, 5000),
    celery("rabbitmq", "gevent", 500, 2500),
    Contender("dramatiq 2 x 250 threads", "dramatiq", "rabbitmq", "threads", 500, 4000),
    fleet("sqlite", "gevent", 500, 5000),
    fleet("sqlite", "asyncio", 500, 5000),
]

LATENCY = [
    fleet("redis", "prefork", 2),
    fleet("redis", "gevent", 100),
    fleet("redis", "solo", 1),
    celery("redis", "prefork", 2),
    celery("redis", "gevent", 100),
    Contender("dramatiq 1 x 8 threads", "dramatiq", "redis", "threads", 8),
    Contender("taskiq stream, 1 worker", "taskiq", "redis", "async", 1),
    Contender("huey 2 processes", "huey", "redis", "process", 2, loses=True),
    fleet("rabbitmq", "prefork", 2),
    fleet("rabbitmq", "gevent", 100),
    fleet("rabbitmq", "solo", 1),
    celery("rabbitmq", "prefork", 2),
    celery("rabbitmq", "gevent", 100),
    Contender("dramatiq 1 x 8 threads", "dramatiq", "rabbitmq", "threads", 8),
    fleet("sqlite", "prefork", 2),
    fleet("sqlite", "solo", 1),
]

PUBLISH = [
    fleet("redis", "solo", 1, 3000),
    celery("redis", "solo", 1, 1500),
    Contender("dramatiq", "dramatiq", "redis", "threads", 8, 3000),
    Contender("taskiq", "taskiq", "redis", "async", 1, 3000),
    Contender("huey", "huey", "redis", "process", 1, 3000, loses=True),
    Contender("raw redis-py, LPUSH", "raw", "redis", "redis", 1, 5000),
    fleet("rabbitmq", "solo", 1, 1500),
    celery("rabbitmq", "solo", 1, 2000),
    Contender("dramatiq", "dramatiq", "rabbitmq", "threads", 8, 2000),
    Contender("raw py-amqp, confirmed", "raw", "rabbitmq", "amqp", 1, 1500),
    fleet("sqlite", "solo", 1, 1500),
]

IDLE = [
    fleet("redis", "prefork", 2),
    fleet("redis", "gevent", 100),
    fleet("redis", "solo", 1),
    celery("redis", "prefork", 2),
    celery("redis", "gevent", 100),
    celery("redis", "solo", 1),
    Contender("dramatiq 2 x 8 threads", "dramatiq", "redis", "threads", 16),
    fleet("rabbitmq", "prefork", 2),
    fleet("rabbitmq", "gevent", 100),
    fleet("rabbitmq", "solo", 1),
    celery("rabbitmq", "prefork", 2),
    celery("rabbitmq", "gevent", 100),
    celery("rabbitmq", "solo", 1),
    Contender("dramatiq 2 x 8 threads", "dramatiq", "rabbitmq", "threads", 16),
    fleet("sqlite", "prefork", 2),
    fleet("sqlite", "solo", 1),
]

# Two slots each, so that all have the same ideal.
FAIRNESS = [
    fleet("redis", "prefork", 2),
    celery("redis", "prefork", 2),
    Contender("dramatiq 2 x 1 thread", "dramatiq", "redis", "process", 2),
    fleet("rabbitmq", "prefork", 2),
    celery("rabbitmq", "prefork", 2),
    Contender("dramatiq 2 x 1 thread", "dramatiq", "rabbitmq", "process", 2),
    fleet("sqlite", "prefork", 2),
]

# `concurrency`: of each worker. How each is started is in `startup`.
START = [
    Contender("fleet up, 4 groups", "fleet", "redis", "prefork", 2),
    Contender("celery multi, 4 groups", "celery", "redis", "prefork", 2),
    Contender("fleet up, 20 replicas", "fleet", "redis", "solo", 1),
    Contender("fleet up, 20 replicas, preload", "fleet", "redis", "solo", 1),
    Contender("supervisord + Celery, 20 replicas", "celery", "redis", "solo", 1),
]

# What each does is in `control`.
CONTROL = [
    Contender("fleet validate", "fleet", "redis", "solo", 1),
    Contender("fleet status", "fleet", "redis", "solo", 1),
    Contender("fleet send", "fleet", "redis", "solo", 1),
    Contender("fleet, save → new worker ready", "fleet", "redis", "solo", 1),
    Contender("celery inspect ping", "celery", "redis", "solo", 1),
    Contender("celery call", "celery", "redis", "solo", 1),
]
