"""Numbers that no machine can mean."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet, WorkerGroup
from fleet.diagnostics import Severity
from fleet.machine import Machine
from fleet.rules.consumption_facts import GREEN, count, cpus, most_replicas, slots
from fleet.rules.finding import Finding
from fleet.rules.registry import rule

# Pool → (a warning from, an error from, what one of them is).
_CONCURRENCY = {
    **dict.fromkeys(GREEN, (20_000, 100_000, "green thread")),
    "asyncio": (20_000, 100_000, "coroutine"),
    "threads": (1_000, 10_000, "thread"),
}
_REPLICAS = (200, 2_000)
_PROCESSES = 200
_PROCESSES_PER_CPU = 10


@rule(
    "FLT315",
    "absurd-number",
    "error",
    varies=True,
    sized=True,
    reads=("workers.pool", "workers.concurrency", "workers.replicas"),
)
def absurd_number(fleet: Fleet, machine: Machine) -> Iterator[Finding]:
    """A number that no machine can mean.

    Five hundred processes, a million green threads, ten thousand replicas: mostly a digit too many, or a
    number that belongs to another pool. A process costs tens of megabytes, a thread its stack, a green
    thread or coroutine at least one socket; long before these numbers the machine swaps, or the broker and
    the services behind the tasks refuse the connections. From 1,000 threads, 20,000 green threads or
    coroutines, or 200 replicas on it is a warning.

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = 500

    Good:

        [workers.images]
        queues = ["images"]
        pool = "prefork"
        concurrency = "cpus"
    """
    for name, group in fleet.workers.items():
        problem = _problem(group, machine)
        if problem:
            key, message, advice, severity = problem
            yield Finding(("workers", name, key), f'group "{name}" {message}', help=advice, severity=severity)


def is_absurd(group: WorkerGroup, machine: Machine) -> bool:
    """What else follows from such a number is not worth a word."""
    problem = _problem(group, machine)
    return problem is not None and problem[3] == "error"


def _problem(group: WorkerGroup, machine: Machine) -> tuple[str, str, str, Severity] | None:
    """(key, message, advice, severity)."""
    number, replicas = slots(group, machine), most_replicas(group)
    if replicas >= _REPLICAS[0]:
        severity: Severity = "error" if replicas >= _REPLICAS[1] else "warning"
        advice = (
            f"ask for fewer: each is a process with a broker connection, and there are {cpus(machine)}; "
            "`concurrency` is for tasks at once"
        )
        return "replicas", f"asks for {count(replicas, 'replica')}", advice, severity
    many = number >= max(_PROCESSES, _PROCESSES_PER_CPU * machine.cpus.value)
    if group.pool == "prefork" and group.concurrency is not None and many:
        advice = (
            'concurrency = "cpus" for tasks that compute; for tasks that wait, pool = "gevent" or "asyncio"'
        )
        message = f"runs {count(number, 'process')} in one worker, on {cpus(machine)}"
        return "concurrency", message, advice, "error"
    some, too_many, noun = _CONCURRENCY.get(group.pool, (number + 1, number + 1, ""))
    if number >= some:
        message = f"runs {count(number, noun)} in one worker"
        advice = f"hundreds are normal; above {some:,}, use more replicas"
        return "concurrency", message, advice, "error" if number >= too_many else "warning"
    return None
