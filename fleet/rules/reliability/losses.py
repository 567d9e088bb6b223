"""Losses: what is lost or dropped when something dies."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet, default_dead_letter
from fleet.machine import Machine
from fleet.rules.brokers import AMQP, broker_kind, embedded_file
from fleet.rules.consumption_facts import consumed, consumers, count, keep_dead_letters, slots
from fleet.rules.finding import Drop, Finding, KeyPath, Mark
from fleet.rules.queues.quorum import is_quorum
from fleet.rules.registry import rule

_IN_MEMORY = ("/run", "/var/run", "/dev/shm")  # noqa: S108


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
        group = consumers(fleet)[name][0]
        tries = fleet.workers[group].max_deliveries
        is_said = "max_deliveries" in fleet.workers[group].said
        path: KeyPath = ("queues", name, "dead_letter")
        yield Finding(
            path,
            f'queue "{name}" has no dead-letter queue: after {count(tries, "delivery")} a message that kills its '
            "worker is dropped",
            related=(Mark(("workers", group, "max_deliveries"), "tried so often"),) if is_said else (),
            help=f'remove `dead_letter = false`: "{default_dead_letter(name)}" is made when it is needed',
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
    `durable = false` loses all of them when RabbitMQ restarts, which each of its upgrades does. For a dead-letter
    queue that is worse: its messages are there because somebody has to look at them.

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
    shared = {queue.exchange for queue in fleet.queues.values() if queue.exchange and queue.durable}
    for name, queue in fleet.queues.items():
        if queue.durable or is_quorum(queue) or queue.exchange in shared:
            continue  # FLT104, FLT113
        is_grave = name in keep_dead_letters(fleet)
        if not is_grave and not any(
            fleet.workers[group].acks in (None, "late") for group in consumers(fleet).get(name, ())
        ):
            continue
        path: KeyPath = ("queues", name, "durable")
        yield Finding(
            path,
            f'queue "{name}" keeps dead letters and is not durable: a restart of the broker loses them'
            if is_grave
            else f'queue "{name}" is not durable: a restart of the broker loses all that waits in it',
            help="remove it"
            if is_grave
            else 'remove it; or acks = "early" in its group, if its messages may be lost',
            steps=(Drop(path),),
        )


@rule("FLT514", "embedded-broker-in-memory", "warning", varies=True, reads=("broker.url", "fleet.state_dir"))
def embedded_broker_in_memory(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """The embedded broker's file is in a folder that is memory.

    /run, /var/run and /dev/shm are emptied by each boot. For sockets that is right, for messages it is not: what waits
    is gone, and nobody is told. The file is in `state_dir`, unless a URL puts it elsewhere.

    Bad:

        [fleet]
        app = "shop.tasks"
        state_dir = "/run/shop"

    Good:

        [fleet]
        app = "shop.tasks"
        state_dir = "/var/lib/shop"
    """
    file = embedded_file(fleet)
    folder = next((each for each in _IN_MEMORY if file is not None and file.is_relative_to(each)), None)
    if folder is None:
        return
    is_default = fleet.broker.url is None
    yield Finding(
        ("fleet", "state_dir") if is_default else ("broker", "url"),
        f"the embedded broker's file is in {folder}, which is memory: its messages are gone at the next boot",
        help='state_dir = "/var/lib/NAME", or RabbitMQ or Redis as the broker'
        if is_default
        else "a folder on a disk, such as /var/lib/NAME",
    )
