"""Settings of a group that do nothing beside others of the same group, or something else than they seem to."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet, WorkerGroup
from fleet.machine import Machine
from fleet.rules.consumption_facts import count, slots
from fleet.rules.finding import Finding, KeyPath, Mark
from fleet.rules.registry import rule


@rule(
    "FLT321",
    "setting-without-effect",
    "info",
    reads=("workers.queue_order", "workers.queues", "workers.acks", "workers.max_deliveries", "fleet.app"),
)
def setting_without_effect(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A setting that does nothing because of another one in the same group.

    `queue_order` says which of several queues goes first: with one queue there is nothing to say. `max_deliveries`
    counts how often a message came back from a dying worker: with `acks = "early"` none comes back. `acks = "app"` asks
    the tasks of a Celery app ("shop.celery:app"), which no other has. What a group inherits from [defaults] is not
    reported: there it is said for others.

    Bad:

        [workers.mail]
        queues = ["mail"]
        queue_order = "strict"
        pool = "gevent"
        concurrency = 200

    Good:

        [workers.mail]
        queues = ["mail"]
        pool = "gevent"
        concurrency = 200
    """
    for name, group in fleet.workers.items():
        own: KeyPath = ("workers", name)
        for key, why, other in _idle(fleet, group):
            if key in group.said and key not in fleet.defaults.said:
                yield Finding(
                    (*own, key),
                    f'group "{name}": `{key}` does nothing, {why}',
                    part="key",
                    related=(Mark(other if len(other) > 1 else own + other, "because of this"),),
                    help="remove it",
                )


def _idle(fleet: Fleet, group: WorkerGroup) -> Iterator[tuple[str, str, KeyPath]]:
    """(key, why it does nothing, the other key: of the group, or by its whole path)."""
    if len(set(group.queues)) == 1:
        yield "queue_order", "since there is only one queue", ("queues",)
    if group.acks == "early":
        yield (
            "max_deliveries",
            "since a message that is acknowledged before its task runs is never delivered again",
            ("acks",),
        )
    if group.acks == "app" and not any(":" in module for module in fleet.project.app):
        yield "acks", "since the app is no Celery app: messages are settled late", ("fleet", "app")


@rule(
    "FLT322",
    "worker-replaced-at-once",
    "warning",
    varies=True,
    reads=("workers.pool", "workers.concurrency", "workers.max_tasks"),
)
def worker_replaced_at_once(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """`max_tasks` no larger than the concurrency, where the worker itself is replaced.

    Only prefork has processes of its own for tasks. On the other pools `max_tasks` replaces the worker: a new process
    that imports the app and connects to the broker. A number that fits a prefork process (one task, a dozen) has a
    green worker replaced as soon as it is there. It is not done more often than every ten seconds, so that
    `max_tasks = 1` on solo does not give each task a process of its own either.

    Bad:

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 200
        max_tasks = 100

    Good:

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 200
        max_tasks = 100_000
    """
    for name, group in fleet.workers.items():
        at_once = slots(group, machine)
        if group.pool == "prefork" or group.max_tasks is None or group.max_tasks > at_once:
            continue
        yield Finding(
            ("workers", name, "max_tasks"),
            f'group "{name}": the whole worker is replaced after {count(group.max_tasks, "task")}, '
            + (f"though it runs {at_once:,} at once" if at_once > 1 else "as soon as it is ten seconds old"),
            related=(Mark(("workers", name, "pool"), "its worker runs the tasks itself"),),
            help='pool = "prefork", if each task is to have a process of its own; else max_tasks = 10_000 or so'
            if at_once == 1
            else f"max_tasks = {max(10_000, 500 * at_once):_}, or leave it out",
        )
