"""Which pool for which tasks: what computes and what waits."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.finding import Change, Finding, Mark
from fleet.rules.registry import rule
from fleet.rules.view import GREEN, consumed, count, is_mixed, queues_with, slots


@rule("FLT306", "io-queue-on-prefork", "warning", reads=("workers.pool", "workers.concurrency"))
def io_queue_on_prefork(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """A queue of tasks that wait is worked by processes.

    A process that waits for the network does nothing else. With prefork as many tasks wait at once
    as there are processes, and each costs tens of megabytes; a gevent worker lets hundreds wait in
    one process. (Mixed groups are FLT312.)

    Bad:

        [queues.http]
        workload = "io"

        [workers.http]
        queues = ["http"]
        pool = "prefork"
        concurrency = 8

    Good:

        [queues.http]
        workload = "io"

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 500
    """
    for name, group in fleet.workers.items():
        waiting = queues_with(fleet, group, "io")
        if group.pool == "prefork" and waiting and not is_mixed(fleet, group):
            number = slots(group, machine)
            yield Finding(
                ("workers", name, "pool"),
                f"tasks that wait on a prefork pool: only {number:,} of them can wait at once in one worker",
                related=(Mark(("queues", waiting[0][1]), 'workload = "io" here'),),
                help='pool = "gevent" with a concurrency of some hundreds; pool = "threads" if the code '
                "can't be monkey-patched",
            )


@rule("FLT307", "cpu-queue-on-green-pool", "error", fix="unsafe", reads=("workers.pool",))
def cpu_queue_on_green_pool(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """CPU-bound tasks on a green pool.

    Green threads take turns only when they wait. A task that computes does not wait: it stops all
    other tasks of its worker, the heartbeats too, and the broker may take the worker for dead and
    hand its messages to another one. Computing belongs on prefork. If the group has both kinds of
    tasks, make two queues, one group each, and route each task to the right one.

    Bad:

        [queues.images]
        workload = "cpu"

        [workers.images]
        queues = ["images"]
        pool = "gevent"
        concurrency = 100

    Good:

        [queues.images]
        workload = "cpu"

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = "cpus"
    """
    for name, group in fleet.workers.items():
        busy = queues_with(fleet, group, "cpu")
        if group.pool not in GREEN or not busy:
            continue
        mixed = is_mixed(fleet, group)
        advice = f'move "{busy[0][1]}" to a prefork group of its own' if mixed else 'pool = "prefork"'
        path = ("workers", name, "pool")
        yield Finding(
            path,
            f"CPU-bound tasks on a {group.pool} pool: one of them stops all others of its worker, "
            "heartbeats too",
            related=(Mark(("queues", busy[0][1]), 'workload = "cpu" here'),),
            help=advice,
            steps=() if mixed else (Change(path, '"prefork"'),),
        )


@rule("FLT312", "mixed-workloads", "warning", reads=("workers.pool", "workers.queues"))
def mixed_workloads(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """One group works on CPU-bound and on waiting tasks.

    No pool is right for both: on processes the waiting tasks block the computing ones, on threads
    they share one GIL. Two groups, one queue each, let every task run on the pool that suits it.
    (On a green pool it is worse: FLT307.)

    Bad:

        [queues.images]
        workload = "cpu"

        [queues.http]
        workload = "io"

        [workers.all]
        queues = ["images", "http"]
        pool = "prefork"
        concurrency = 4

    Good:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 4

        [workers.http]
        queues = ["http"]
        pool = "gevent"
        concurrency = 200
    """
    for name, group in fleet.workers.items():
        if group.pool in GREEN or not is_mixed(fleet, group):
            continue
        busy, waiting = queues_with(fleet, group, "cpu")[0][1], queues_with(fleet, group, "io")[0][1]
        yield Finding(
            ("workers", name, "queues"),
            f'group "{name}" mixes tasks that compute ("{busy}") with tasks that wait ("{waiting}")',
            related=(
                Mark(("queues", busy), 'workload = "cpu" here'),
                Mark(("queues", waiting), 'workload = "io" here'),
            ),
            help=f'two groups: "{busy}" on prefork, "{waiting}" on gevent',
        )


@rule("FLT311", "cpu-queue-on-threads", "warning", reads=("workers.pool", "workers.queues"))
def cpu_queue_on_threads(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """CPU-bound tasks on a threads pool.

    Threads of one process share one interpreter lock: however many there are, one of them computes, and
    the others wait for it. Computing belongs on prefork. Libraries that release the lock (numpy, Pillow)
    are the exception: if it is theirs that you use, say so with `# fleet: ignore[FLT311] why`. On a
    free-threaded Python it is only a remark.

    Bad:

        [queues.images]
        workload = "cpu"

        [workers.images]
        queues = ["images"]
        pool = "threads"
        concurrency = 8

    Good:

        [queues.images]
        workload = "cpu"

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = "cpus"
    """
    for name, group in fleet.workers.items():
        busy = queues_with(fleet, group, "cpu")
        if group.pool != "threads" or not busy or is_mixed(fleet, group):
            continue
        number = slots(group, machine)
        yield Finding(
            ("workers", name, "pool"),
            f"CPU-bound tasks on a threads pool: its {count(number, 'thread')} share one interpreter lock, "
            "and one at a time computes"
            if machine.has_gil
            else "CPU-bound tasks on a threads pool: fine on this free-threaded Python, on others one at a time",
            related=(Mark(("queues", busy[0][1]), 'workload = "cpu" here'),),
            help='pool = "prefork"',
            severity=None if machine.has_gil else "info",
        )


@rule("FLT313", "workload-unknown", "info", reads=("workers.queues", "queues.workload"))
def workload_unknown(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """A queue that does not say what its tasks mostly do.

    `workload = "cpu"` or `"io"` is what the advice on pools goes by: without it nobody notices that tasks
    which compute run on green threads, or that tasks which wait fill up processes.

    Bad:

        [queues.images]

    Good:

        [queues.images]
        workload = "cpu"
    """
    taken = consumed(fleet)
    for name, queue in fleet.queues.items():
        if queue.workload is None and name in taken:
            yield Finding(
                ("queues", name),
                f'queue "{name}" has no `workload`: whether its pool suits its tasks can\'t be checked',
                help='workload = "cpu" if they mostly compute, "io" if they mostly wait',
            )
