"""What is lost, hoarded or dropped when something dies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from fleet.config.model import Fleet, format_duration
from fleet.machine import Machine
from fleet.rules.brokers import AMQP, broker_kind
from fleet.rules.finding import Change, Drop, Finding, KeyPath, Mark
from fleet.rules.queues.quorum import is_quorum
from fleet.rules.registry import rule
from fleet.rules.view import consumed, count, meant, roughly, slots

_FAR_ABOVE = 4
_LONG = timedelta(seconds=60)


@rule(
    "FLT501",
    "hoarding-prefetch",
    "warning",
    fix="unsafe",
    reads=("workers.pool", "workers.concurrency", "workers.prefetch", "workers.time_limit"),
)
def hoarding_prefetch(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """`prefetch` far above the concurrency, with tasks that may take long.

    Deliveries beyond `concurrency` wait inside the worker, where no other worker can get them. With long
    tasks they wait for hours while other workers idle, and a kill sends all of them round again. Short
    tasks profit from a large prefetch, which is why only limits of a minute and more are reported;
    "auto" follows the pool.

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        prefetch = 100
        time_limit = "5m"

    Good:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4
        prefetch = "auto"
        time_limit = "5m"
    """
    for name, group in fleet.workers.items():
        limit, held, at_once = (
            group.time_limit or group.soft_time_limit,
            group.prefetch,
            slots(group, machine),
        )
        if limit is None or limit < _LONG or not isinstance(held, int) or held < _FAR_ABOVE * at_once:
            continue
        wait = timedelta(seconds=round((held // at_once - 1) * limit.total_seconds()))
        path: KeyPath = ("workers", name, "prefetch")
        yield Finding(
            path,
            f'group "{name}" holds {count(held, "delivery")} and runs {at_once:,} at once: with tasks of up to '
            f"{format_duration(limit)} the last one waits up to {roughly(wait)} where no idle worker can get it",
            help='prefetch = "auto"',
            steps=(Change(path, '"auto"'),),
        )


@rule("FLT502", "early-acks", "warning", reads=("workers.acks",))
def early_acks(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """`acks = "early"`: a crash loses what was running.

    The broker forgets a message as soon as it is acknowledged. If that happens before the task has run,
    a killed process, a full memory or a power cut loses the tasks it held, without a trace. Late
    acknowledgement costs that a task may run twice. If losing is better than twice (a reminder, a
    cache), say so: `# fleet: ignore[FLT502] why`.

    Bad:

        [workers.mail]
        queues = ["mail"]
        pool = "gevent"
        concurrency = 200
        acks = "early"

    Good:

        [workers.mail]
        queues = ["mail"]
        pool = "gevent"
        concurrency = 200
    """
    for name, group in fleet.workers.items():
        if group.acks == "early":
            held = max(slots(group, machine), group.prefetch if isinstance(group.prefetch, int) else 0)
            yield Finding(
                ("workers", name, "acks"),
                f'group "{name}" acknowledges before it works: a crash of a worker loses up to '
                f"{count(held, 'message')}",
                help='acks = "late" if its tasks may run twice; else note why: # fleet: ignore[FLT502] why',
            )


@rule(
    "FLT507",
    "poison-dropped",
    "warning",
    fix="unsafe",
    reads=("queues.dead_letter", "workers.max_deliveries"),
)
def poison_dropped(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A queue without a dead-letter queue: what can't be done is dropped.

    A message that kills its worker `max_deliveries` times, or whose retries are used up, is taken out of
    the queue. With `dead_letter = false` it is gone, with its arguments and the reason. A dead-letter
    queue costs nothing while it is empty, and `fleet dead` shows and retries what is in it.

    Bad:

        [queues.images]
        workload = "cpu"
        dead_letter = false

    Good:

        [queues.images]
        workload = "cpu"
    """
    taken = consumed(fleet)
    for name, queue in fleet.queues.items():
        if queue.dead_letter is not False or name not in taken:
            continue
        group, tries = next(
            (group, settings.max_deliveries)
            for group, settings in fleet.workers.items()
            if name in (meant(fleet, each) for each in settings.queues)
        )
        is_said = "max_deliveries" in fleet.workers[group].said
        path: KeyPath = ("queues", name, "dead_letter")
        yield Finding(
            path,
            f'queue "{name}" has no dead-letter queue: after {count(tries, "delivery")} a message that kills its '
            "worker is dropped",
            related=(Mark(("workers", group, "max_deliveries"), "tried so often"),) if is_said else (),
            help=f'remove it: "{name}.dead" is made when it is needed',
            steps=(Drop(path),),
        )


@rule(
    "FLT510",
    "transient-queue-with-late-acks",
    "warning",
    varies=True,
    fix="unsafe",
    reads=("queues.durable", "workers.acks"),
)
def transient_queue_with_late_acks(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A queue that is not durable, consumed with late acknowledgement.

    Late acknowledgement says that no message may be lost when a worker dies. A queue with
    `durable = false` loses all of them when RabbitMQ restarts, which each of its upgrades does.

    Bad:

        [queues.images]
        workload = "cpu"
        durable = false

    Good:

        [queues.images]
        workload = "cpu"
    """
    if broker_kind(fleet) not in (AMQP, None):
        return  # FLT111: others ignore it
    for name, queue in fleet.queues.items():
        if queue.durable or is_quorum(queue):
            continue
        groups = [g for g in fleet.workers.values() if name in (meant(fleet, each) for each in g.queues)]
        if not any(group.acks == "late" for group in groups):
            continue
        path: KeyPath = ("queues", name, "durable")
        yield Finding(
            path,
            f'queue "{name}" is not durable: a restart of the broker loses all that waits in it',
            help='remove it; or acks = "early" in its group, if its messages may be lost',
            steps=(Drop(path),),
        )
