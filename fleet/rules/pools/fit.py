"""The fit of pools and tasks: what computes and what waits."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet, WorkerGroup
from fleet.machine import Machine
from fleet.rules.consumption_facts import (
    TAKING_TURNS,
    a,
    consumed,
    count,
    is_mixed,
    most_replicas,
    queues_with,
    slots,
)
from fleet.rules.finding import Change, Finding, KeyPath, Mark, Step
from fleet.rules.registry import rule


@rule("FLT306", "io-queue-on-prefork", "warning", reads=("workers.pool", "workers.concurrency"))
def io_queue_on_prefork(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """A queue of tasks that wait is worked by processes.

    A process that waits for the network does nothing else. With prefork as many tasks wait at once
    as there are processes, and each costs tens of megabytes; a gevent or asyncio worker lets hundreds
    wait in one process. (Mixed groups are FLT312.)

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
                f'group "{name}": its tasks mostly wait, but its prefork pool holds only {number:,} at once per worker',
                related=(Mark(("queues", waiting[0][1]), 'workload = "io" here'),),
                help='pool = "gevent" with a concurrency of some hundreds; "asyncio" if the tasks are `async def`; '
                '"threads" if the code can\'t be monkey-patched',
            )


@rule(
    "FLT307",
    "cpu-queue-on-green-pool",
    "error",
    fix="unsafe",
    reads=("workers.pool", "workers.concurrency", "workers.replicas"),
)
def cpu_queue_on_green_pool(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """CPU-bound tasks on a gevent, eventlet or asyncio pool.

    Green threads and coroutines take turns only when they wait. A task that computes does not wait: it
    stops all other tasks of its worker. On a green pool it stops the heartbeats, too, and the broker may
    take the worker for dead and hand its messages to another one. Computing belongs on prefork. If the
    group has both kinds of tasks, make two queues, one group each, and route each task to the right one.

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
        if group.pool not in TAKING_TURNS or not busy:
            continue
        mixed = is_mixed(fleet, group)
        advice = f'move "{busy[0][1]}" to a prefork group of its own' if mixed else 'pool = "prefork"'
        path: KeyPath = ("workers", name, "pool")
        steps: tuple[Step, ...] = (Change(path, '"prefork"'),)
        replicas, limit = max(1, most_replicas(group)), machine.cpus.value
        if group.concurrency is not None and slots(group, machine) * replicas > limit:
            # A number of green threads would be far too many processes.
            steps = (*steps, Change((*path[:2], "concurrency"), str(max(1, limit // replicas))))
        yield Finding(
            path,
            f"CPU-bound tasks on {a(group.pool)} pool: one of them stops all "
            f"others of its worker{'' if group.pool == 'asyncio' else ', heartbeats too'}",
            related=(Mark(("queues", busy[0][1]), 'workload = "cpu" here'),),
            help=advice,
            steps=() if mixed else steps,
        )


@rule("FLT312", "mixed-workloads", "warning", reads=("workers.pool", "workers.queues"))
def mixed_workloads(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """One group works on CPU-bound and on waiting tasks.

    No pool is right for both: on processes the waiting tasks block the computing ones, on threads
    they share one GIL. Two groups, one queue each, let every task run on the pool that suits it.
    (On gevent, eventlet and asyncio it is worse: FLT307.)

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
        if group.pool in TAKING_TURNS or not is_mixed(fleet, group):
            continue
        busy, waiting = queues_with(fleet, group, "cpu")[0][1], queues_with(fleet, group, "io")[0][1]
        yield Finding(
            ("workers", name, "queues"),
            f'group "{name}" mixes tasks that compute ("{busy}") with tasks that wait ("{waiting}")',
            related=(
                Mark(("queues", busy), 'workload = "cpu" here'),
                Mark(("queues", waiting), 'workload = "io" here'),
            ),
            help=f'split it into two groups: "{busy}" on prefork, "{waiting}" on gevent or asyncio',
        )


@rule("FLT311", "cpu-queue-on-threads", "warning", reads=("workers.pool", "workers.queues"))
def cpu_queue_on_threads(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """CPU-bound tasks on a threads pool.

    Threads of one process share one interpreter lock: however many there are, one of them computes, and
    the others wait for it. Computing belongs on prefork. Libraries that release the lock (numpy, Pillow)
    are the exception: if it is theirs that you use, say so with `# fleet: ignore[FLT311] why`.

    On a free-threaded Python (3.13t, 3.14t) threads do compute at the same time, and it is only a remark.
    What counts is the Python that runs the workers: the one of `fleet up`. Where `fleet validate` runs on
    another one, `[machine] free_threaded = true` says so. A group with `env = { PYTHON_GIL = "1" }` has
    the lock in any case. A library that is not made for it switches the lock on when it is imported: the
    worker then says so in `fleet status`.

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
        locked = _has_gil(fleet, group, machine)
        yield Finding(
            ("workers", name, "pool"),
            f"CPU-bound tasks on a threads pool: its {count(number, 'thread')} share one interpreter lock, "
            "and one at a time computes"
            if locked
            else "CPU-bound tasks on a threads pool: fine on this free-threaded Python, on others one at a time",
            related=(Mark(("queues", busy[0][1]), 'workload = "cpu" here'),),
            help='pool = "prefork"' if locked else "nothing to do while the workers run on that Python",
            severity=None if locked else "info",
        )


def _has_gil(fleet: Fleet, group: WorkerGroup, machine: Machine) -> bool:
    """The Python that runs the group's workers, not the one of whoever validates."""
    said = fleet.machine.free_threaded
    has_none = not machine.has_gil if said is None else said
    return not has_none or group.env.get("PYTHON_GIL") == "1"


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
