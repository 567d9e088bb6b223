"""What is measured at several sizes: more workers, more slots, more and bigger messages. A line of a chart each."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from benchmarks.contenders import Contender, sized


@dataclass(frozen=True)
class Cell(Contender):
    """A contender at one place, `at`, of the chart's `line`."""

    line: str = ""
    at: int = 0
    task: tuple[str, ...] = ("noop",)  # as `side preload` takes it
    messages: int = 0  # 0: as many as `rate` says
    payload: int = 0  # bytes of each message
    replicas: int = 1


_LIBRARIES = {"fleet": "fleet", "Celery": "celery"}
_BROKERS = {"redis": "Redis", "rabbitmq": "RabbitMQ", "sqlite": "SQLite"}


def _replicas(name: str, broker: str, rate: int) -> list[Cell]:
    """Workers of one slot each, fleet's under `fleet up`; `rate` of one of them."""
    return [
        Cell(
            f"{name} solo x {many}",
            _LIBRARIES[name],
            broker,
            "solo",
            1,
            rate * min(2, many),
            line=f"{name}, {_BROKERS[broker]}",
            at=many,
            replicas=many,
        )
        for many in (1, 2, 4, 8)
    ]


REPLICAS = [
    *_replicas("fleet", "redis", 12_000),
    *_replicas("Celery", "redis", 1000),
    *_replicas("fleet", "rabbitmq", 8000),
    *_replicas("Celery", "rabbitmq", 4000),
    *_replicas("fleet", "sqlite", 12_000),
]


def _green(name: str, broker: str, pool: str, rate: int) -> list[Cell]:
    """Tasks that wait for 100 ms: at best ten times as many a second as there are slots."""
    return [
        Cell(
            sized(name, pool, slots),
            _LIBRARIES[name],
            broker,
            pool,
            slots,
            min(rate, slots * 10),
            line=f"{name} {pool}, {_BROKERS[broker]}",
            at=slots,
            task=("pause", "0.1"),
        )
        for slots in (1, 10, 100, 1000, 10_000)
    ]


# As many slots as messages, and long enough that all of them are in use. On no line of the chart.
TEN_THOUSAND = [
    Cell(
        f"fleet {pool} 10000, 10,000 of 5 s",
        "fleet",
        "redis",
        pool,
        10_000,
        task=("pause", "5"),
        messages=10_000,
    )
    for pool in ("gevent", "asyncio")
]

GREEN = [
    *_green("fleet", "redis", "gevent", 6000),
    *_green("fleet", "redis", "eventlet", 6000),
    *_green("fleet", "redis", "asyncio", 6000),
    *_green("fleet", "rabbitmq", "gevent", 6000),
    *_green("Celery", "redis", "gevent", 1000),
    *_green("Celery", "rabbitmq", "gevent", 2500),
    *TEN_THOUSAND,
]


def _prefork(name: str, label: str, rate: int, task: tuple[str, ...]) -> list[Cell]:
    return [
        Cell(
            f"{sized(name, 'prefork', slots)}, {label}",
            _LIBRARIES[name],
            "redis",
            "prefork",
            slots,
            rate,
            line=f"{name}, {label}",
            at=slots,
            task=task,
        )
        for slots in (1, 2, 4, 8, 16)
    ]


PREFORK = [
    *_prefork("fleet", "no-op", 10_000, ("noop",)),
    *_prefork("Celery", "no-op", 1000, ("noop",)),
    *_prefork("fleet", "5 ms of CPU", 350, ("spin", "0.005")),
    *_prefork("Celery", "5 ms of CPU", 300, ("spin", "0.005")),
]

SIZES = {100: "100 B", 10_000: "10 kB", 1_000_000: "1 MB"}
MOST_BYTES = 1_000_000_000  # in a queue: brokers hold them in memory, Redis a third more than that


def _backlog(broker: str, messages: int, payload: int) -> Cell:
    return Cell(
        f"fleet solo, {messages:,} x {SIZES[payload]}",
        "fleet",
        broker,
        "solo",
        1,
        line=f"{_BROKERS[broker]}, {SIZES[payload]}",
        at=messages,
        messages=messages,
        payload=payload,
    )


BACKLOG = [
    _backlog(broker, messages, payload)
    for broker, payload, messages in product(_BROKERS, SIZES, (10, 1000, 100_000))
    if messages * payload <= MOST_BYTES
]

MILLION = [
    Cell(
        f"fleet solo, {messages:,} queued",
        "fleet",
        broker,
        "solo",
        1,
        line=_BROKERS[broker],
        at=messages,
        messages=messages,
        payload=100,
    )
    for broker, messages in product(("redis", "sqlite"), (10_000, 1_000_000))
]

# Part of --quick: a small and a larger one of each, so that a line has two ends.
QUICK_CELLS = frozenset(
    {
        *("redis: fleet solo x 1", "redis: fleet solo x 4"),
        *("redis: fleet gevent 10", "redis: fleet gevent 1000"),
        *("redis: fleet prefork 2, no-op", "redis: fleet prefork 4, 5 ms of CPU"),
        *("redis: fleet solo, 10 x 100 B", "redis: fleet solo, 1,000 x 10 kB"),
        *("redis: fleet solo, 10,000 queued", "sqlite: fleet solo, 1,000,000 queued"),
    }
)
