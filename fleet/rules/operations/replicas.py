"""Numbers of workers: singletons and scaling by load."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from fleet.config.model import Autoscale, Fleet, WorkerGroup, format_duration
from fleet.machine import Machine
from fleet.rules.brokers import may_be_rabbitmq
from fleet.rules.consumption_facts import count, meant
from fleet.rules.finding import Change, Finding, Mark
from fleet.rules.registry import rule

_START_OF_A_WORKER = timedelta(seconds=1)


@rule(
    "FLT703",
    "singleton-with-replicas",
    "error",
    fix="unsafe",
    reads=("workers.replicas", "workers.singleton"),
)
def singleton_with_replicas(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A singleton group that asks for another number of replicas than one.

    `singleton = true` promises that never two workers of the group run, not even during a rollout.
    Several replicas, or scaling by load, contradict that.

    Bad:

        [workers.scheduler]
        queues = ["ticks"]
        pool = "solo"
        singleton = true
        replicas = 2

    Good:

        [workers.scheduler]
        queues = ["ticks"]
        pool = "solo"
        singleton = true
    """
    for name, group in fleet.workers.items():
        if not group.singleton or group.replicas == 1:
            continue
        path = ("workers", name, "replicas")
        if isinstance(group.replicas, Autoscale):
            what = f"scales from {group.replicas.min} to {group.replicas.max} replicas"
        else:
            what = f"asks for {group.replicas} replicas"
        yield Finding(
            path,
            f'group "{name}" is a singleton but {what}',
            related=(Mark(("workers", name, "singleton"), "never two workers at once"),),
            help="replicas = 1, or remove `singleton`: it means never two at once",
            steps=(Change(path, "1"),),
        )


@rule(
    "FLT706",
    "impossible-scaling",
    "error",
    varies=True,
    fix="unsafe",
    reads=("workers.replicas", "workers.queues", "all queues.message_ttl", "broker.url"),
)
def impossible_scaling(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """Scaling by load with bounds or a target that can't be met.

    With `min` above `max` no number of replicas is right. A `target_latency` of nothing asks for messages
    that never wait, and keeps the group at its maximum for ever. With `min = 0` a message that meets a
    sleeping group waits at least until a worker has started, which takes about a second. Where messages are dropped
    by `message_ttl` before they have waited for so long, the group never grows for them.

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "solo"
        replicas = { min = 4, max = 2 }

    Good:

        [workers.images]
        queues = ["images"]
        pool = "solo"
        replicas = { min = 2, max = 4, target_latency = "30s" }
    """
    for name, group in fleet.workers.items():
        scale, path = group.replicas, ("workers", name, "replicas")
        if not isinstance(scale, Autoscale):
            continue
        if scale.min > scale.max:
            yield Finding(
                (*path, "min") if "min" in scale.said else (*path, "max"),
                f'group "{name}" can\'t have at least {count(scale.min, "replica")} and at most {scale.max}',
                related=(Mark((*path, "max"), "less than `min`"),) if "min" in scale.said else (),
                help=f"did you mean min = {scale.max}, max = {scale.min}?",
                steps=(Change((*path, "min"), str(scale.max)), Change((*path, "max"), str(scale.min))),
            )
        elif scale.target_latency < _START_OF_A_WORKER and (scale.min == 0 or not scale.target_latency):
            target = format_duration(scale.target_latency)
            yield Finding(
                (*path, "target_latency"),
                f'group "{name}": a `target_latency` of 0 keeps all {count(scale.max, "replica")} running for ever'
                if not scale.target_latency
                else f'group "{name}" may sleep (min = 0), and a worker does not start within {target}',
                help='target_latency = "30s", or what the users of the tasks would not notice',
            )
        elif may_be_rabbitmq(fleet) and (queue := _dropped_first(fleet, group, scale)):
            target, ttl = format_duration(scale.target_latency), fleet.queues[queue].message_ttl
            said = "target_latency" in scale.said
            yield Finding(
                (*path, "target_latency") if said else path,
                f'group "{name}" grows when messages wait {target}{"" if said else " (the default)"}, but those of '
                f'"{queue}" are dropped after {format_duration(ttl or timedelta())}',
                related=(Mark(("queues", queue, "message_ttl"), "dropped after this long"),),
                help="a `target_latency` well below that, or a longer `message_ttl`",
                severity="warning",
            )


def _dropped_first(fleet: Fleet, group: WorkerGroup, scale: Autoscale) -> str | None:
    """A queue of the group whose messages don't live until the group would grow for them."""
    queues = [queue for each in group.queues if (queue := meant(fleet, each))]
    return next(
        (q for q in queues if (ttl := fleet.queues[q].message_ttl) and ttl <= scale.target_latency), None
    )
