"""Priorities that routes and schedules give, against those that queues have."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet, Queue
from fleet.machine import Machine
from fleet.rules.brokers import REDIS, broker_kind, may_be_rabbitmq
from fleet.rules.consumption_facts import meant
from fleet.rules.finding import Finding, KeyPath, Mark
from fleet.rules.queues.quorum import is_quorum
from fleet.rules.registry import rule
from fleet.rules.schedules.sending import queue_of

_MOST_ON_REDIS = 9


@rule(
    "FLT208",
    "priority-without-effect",
    "warning",
    varies=True,
    reads=(
        *("routes.priority", "routes.queue", "schedules.priority", "schedules.queue", "all routes.task"),
        *("queues.max_priority", "queues.arguments", "broker.url"),
    ),
)
def priority_without_effect(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A route or a schedule gives a priority that its queue does not have.

    RabbitMQ sorts by priority only in queues with `max_priority`; in others the number travels along and does
    nothing. A number above `max_priority` counts as `max_priority`, so that two such routes are equal. Quorum queues
    have two priorities of their own and are not reported. Redis has priorities up to 9 in each queue.

    Bad:

        [broker]
        url = "amqp://127.0.0.1//"

        [queues.images]
        workload = "cpu"

        [[routes]]
        task = "shop.images.*"
        queue = "images"
        priority = 5

    Good:

        [broker]
        url = "amqp://127.0.0.1//"

        [queues.images]
        workload = "cpu"
        max_priority = 5

        [[routes]]
        task = "shop.images.*"
        queue = "images"
        priority = 5

    Source: RabbitMQ documentation, Priority Queues.
    """
    if broker_kind(fleet) == REDIS:
        yield from _above(fleet, _MOST_ON_REDIS)
    if not may_be_rabbitmq(fleet):
        return
    for path, priority, queue in _given(fleet):
        name = meant(fleet, queue) if queue is not None else None
        if name is None or is_quorum(fleet.queues[name]):
            continue
        levels = _levels(fleet.queues[name])
        if levels is None:
            yield Finding(
                path,
                f'priority {priority} does nothing: queue "{name}" has no `max_priority`',
                related=(Mark(("queues", name), "no priorities here"),),
                help=f"max_priority = {min(10, max(priority, 1))} for the queue, or no priority here",
            )
        elif priority > levels[0]:
            place: KeyPath = ("queues", name, *levels[1])
            yield Finding(
                path,
                f'priority {priority} counts as {levels[0]}: that is the `max_priority` of queue "{name}"',
                related=(Mark(place, "no more than this"),),
                help=f"priority = {levels[0]}, or a larger max_priority",
            )


def _given(fleet: Fleet) -> Iterator[tuple[KeyPath, int, str | None]]:
    """Where the file gives a priority, which, and to messages of which queue."""
    for index, route in enumerate(fleet.routes):
        if route.priority:
            yield ("routes", index, "priority"), route.priority, route.queue
    for index, schedule in enumerate(fleet.schedules):
        if schedule.priority:
            yield ("schedules", index, "priority"), schedule.priority, queue_of(fleet, schedule)


def _above(fleet: Fleet, most: int) -> Iterator[Finding]:
    for path, priority, _ in _given(fleet):
        if priority > most:
            yield Finding(
                path,
                f"priority {priority} counts as {most}: Redis has no higher one",
                help=f"priority = {most}, or less",
            )


def _levels(queue: Queue) -> tuple[int, KeyPath] | None:
    """How many priorities the queue has, and where it says so."""
    if queue.max_priority is not None:
        return queue.max_priority, ("max_priority",)
    raw = queue.arguments.get("x-max-priority")
    return (raw, ("arguments", "x-max-priority")) if isinstance(raw, int) else None
