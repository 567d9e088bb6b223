"""Open files and broker connections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fleet.config.model import Fleet, WorkerGroup
from fleet.machine import Machine
from fleet.rules.brokers import AMQP, REDIS, SQLITE, broker_kind
from fleet.rules.consumption_facts import count, most_replicas, slots
from fleet.rules.finding import Finding, Mark
from fleet.rules.pools.absurd import is_absurd
from fleet.rules.registry import rule

_MOST = 8  # groups to name
_LISTS = 4  # in which fleet keeps the messages of a queue with priorities on Redis
_CONTROLLER = 2  # connections: what waits, and what other hosts are told
# Of the worker itself: modules, logs, sockets to broker and controller, the selector.
_OWN_FILES = 64
# For each process or thread that runs tasks: a pipe in both directions, or a socket of the task's.
_FILES_PER_SLOT = {"prefork": 4, "gevent": 1, "eventlet": 1, "asyncio": 1, "threads": 1, "solo": 0}


@rule(
    "FLT404",
    "too-few-open-files",
    "error",
    varies=True,
    sized=True,
    reads=("workers.pool", "workers.concurrency"),
)
def too_few_open_files(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """A worker needs more open files than one process may have.

    A task that waits for the network holds at least one socket, and a socket is an open file. With 5,000
    green threads and a limit of 1,024 the tasks fail with "too many open files", and the worker can't
    even reach its broker again. The limit is `ulimit -n` (systemd: LimitNOFILE; Docker: --ulimit); 64 are
    counted for the worker itself.

    Bad:

        [machine]
        nofile = 1024

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 5000

    Good:

        [machine]
        nofile = 65536

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 5000
    """
    for name, group in fleet.workers.items():
        need, there = _files(group, machine), machine.nofile
        if need <= there.value or is_absurd(group, machine):
            continue
        path = ("workers", name, "concurrency")
        yield Finding(
            path if group.concurrency is not None else path[:2],
            f'a worker of "{name}" needs about {need:,} open files, more than {there.value:,} ({there.origin})',
            label=f"at least {_FILES_PER_SLOT[group.pool] * slots(group, machine):,} for its tasks",
            help=f"raise the limit (ulimit -n {_rounded(need)}), or more replicas with fewer tasks each",
        )


@rule(
    "FLT405",
    "too-few-connections",
    "error",
    varies=True,
    reads=(
        *("all workers.replicas", "rollout.max_surge", "broker.max_connections", "broker.url"),
        "all schedules.task",
    ),
)
def too_few_connections(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """The fleet needs more broker connections than `max_connections`.

    Each worker holds one connection, whatever its pool; on RabbitMQ a second one as soon as it has something
    to publish, on Redis one more for each queue that it waits for (four, where messages have priorities). The
    controller holds two (one tells other hosts of it), the scheduler of [[schedules]] or a Celery app one on
    RabbitMQ and three elsewhere, and a rollout adds `max_surge` workers. Beyond what the broker
    grants, workers can't start, and it is chance which ones. Programs that send tasks need connections of
    their own on top, and so do tasks that send tasks.

    Bad:

        [broker]
        url = "redis://127.0.0.1:6379/0"
        max_connections = 10

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 100
        replicas = 20

    Good:

        [broker]
        url = "redis://127.0.0.1:6379/0"
        max_connections = 50

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 100
        replicas = 20
    """
    granted = fleet.broker.max_connections
    kept = {name: group for name, group in fleet.workers.items() if not is_absurd(group, machine)}
    groups = [(name, most_replicas(group)) for name, group in kept.items()]
    workers, surge = sum(number for _, number in groups), fleet.rollout.max_surge
    each = {name: _of_worker(fleet, group) for name, group in kept.items()}
    clock = _of_scheduler(fleet)
    need = connections_needed(fleet, kept)
    if granted is None or not workers or need <= granted or broker_kind(fleet) == SQLITE:
        return
    most = max(each.values())
    yield Finding(
        ("broker", "max_connections"),
        f"the fleet needs {count(need, 'broker connection')}: {count(workers, 'worker')}"
        + (f" with {most if most == min(each.values()) else f'up to {most}'} each" if most > 1 else "")
        + f", the controller with {_CONTROLLER}"
        + (f", the scheduler with {clock}" if clock else "")
        + (f", {surge} during a rollout" if surge else ""),
        label=f"{granted:,} are granted",
        related=tuple(
            Mark(("workers", name, "replicas"), f"{number:,} here") for name, number in groups if number > 1
        )[:_MOST],
        help=f"let the broker grant at least {need:,}, or fewer replicas with more tasks each",
    )


def connections_needed(fleet: Fleet, groups: Mapping[str, WorkerGroup]) -> int:
    """By these groups with all their replicas, those of a rollout included, and by what is beside them."""
    each = {name: _of_worker(fleet, group) for name, group in groups.items()}
    workers = sum(most_replicas(group) * each[name] for name, group in groups.items())
    surge = fleet.rollout.max_surge * max(each.values(), default=0)
    return workers + surge + _of_scheduler(fleet) + _CONTROLLER


def _of_worker(fleet: Fleet, group: WorkerGroup) -> int:
    if broker_kind(fleet) == REDIS:
        return 1 + sum(_LISTS if queue in _prioritised(fleet) else 1 for queue in set(group.queues))
    return 2 if broker_kind(fleet) == AMQP else 1


def _prioritised(fleet: Fleet) -> set[str]:
    """Queues whose messages have priorities, as far as the file tells."""
    found = {name for name, queue in fleet.queues.items() if queue.max_priority is not None}
    found |= {route.queue for route in fleet.routes if route.priority is not None}
    return found | {each.queue for each in fleet.schedules if each.queue and each.priority is not None}


def _of_scheduler(fleet: Fleet) -> int:
    """The messages, and the orders; 0 without one."""
    if not fleet.schedules and not (fleet.project.has_celery_app and fleet.project.beat):
        return 0
    return 1 if broker_kind(fleet) == AMQP else 3


def _files(group: WorkerGroup, machine: Machine) -> int:
    return _OWN_FILES + _FILES_PER_SLOT[group.pool] * slots(group, machine)


def _rounded(need: int) -> int:
    """The next power of two: what people set."""
    return 1 << (need - 1).bit_length()
