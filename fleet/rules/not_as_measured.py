"""FLT323: the file against what its workers have counted; asked for by `validate --measured` and `fleet advise`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.consumption_facts import processes, slots
from fleet.rules.finding import Add, Change, Drop, Finding, Step
from fleet.rules.registry import on_request

if TYPE_CHECKING:  # loaded only where somebody has evidence
    from fleet.advice.evidence import GroupEvidence
    from fleet.advice.group_advice import GroupAdvice, SplitAdvice


@on_request("FLT323", "not-as-measured", "warning", fix="unsafe")
def not_as_measured(
    fleet: Fleet, machine: Machine, evidence: Mapping[str, GroupEvidence]
) -> Iterator[Finding]:
    """What the workers have measured is not what the file says (`--measured`).

    Workers count for each task how often it ran, how long it took, and how much of that it computed. From
    that follows whether a queue's tasks compute or wait, which pool suits them, and by Little's law how
    many have to run at once. Only what there is enough evidence for is said; the message has the numbers.
    `fleet advise` shows the same with what it would bring, and `fleet advise --write` puts it into the file.

    Bad, where resize was measured to compute 97 % of its time:

        [queues.images]
        workload = "io"

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
        concurrency = 4
    """
    from fleet.advice.group_advice import SplitAdvice

    for advice in advice_on(fleet, machine, evidence):
        if isinstance(advice, SplitAdvice):
            yield Finding(("workers", advice.group), f'group "{advice.group}": {advice.why}', severity="info")
            continue
        steps = (*_steps(fleet, advice), *_limits(fleet, advice, evidence[advice.group]))
        yield Finding(
            steps[0].path,
            f'group "{advice.group}": {advice.why}',
            help=f"{', '.join(in_words(advice))}: {advice.gain}",
            notes=() if advice.sure == "yes" else ("this is not quite sure: `fleet bench` measures it",),
            steps=steps,
        )


def advice_on(
    fleet: Fleet, machine: Machine, evidence: Mapping[str, GroupEvidence]
) -> Iterator[GroupAdvice | SplitAdvice]:
    """For each group of the file that there is evidence of."""
    from fleet.advice.group_advice import Declared, Surroundings, advise

    for name, group in fleet.workers.items():
        if name not in evidence:
            continue
        others = sum(processes(each, machine) for other, each in fleet.workers.items() if other != name)
        declared = Declared(
            group.pool,
            slots(group, machine),
            group.replicas if isinstance(group.replicas, int) else None,
            {queue: fleet.queues[queue].workload for queue in group.queues if queue in fleet.queues},
            group.prefetch if isinstance(group.prefetch, int) else None,
            is_unlimited=group.time_limit is None,
        )
        around = Surroundings(
            max(1, machine.cpus.value - others), float(machine.memory.value), tuple(machine.modules)
        )
        if (advice := advise(evidence[name], declared, around)) is not None:
            yield advice


def _steps(fleet: Fleet, advice: GroupAdvice) -> Iterator[Step]:
    group = ("workers", advice.group)
    said = fleet.workers[advice.group].said
    for queue, workload in advice.workloads.items():
        yield _put(
            ("queues", queue), "workload", f'"{workload}"', there=fleet.queues[queue].workload is not None
        )
    if advice.pool is not None:
        yield Change((*group, "pool"), f'"{advice.pool}"')
    if advice.pool == "solo" and "concurrency" in said:
        yield Drop((*group, "concurrency"))
    elif advice.concurrency is not None:
        yield _put(group, "concurrency", str(advice.concurrency), there="concurrency" in said)
    if advice.replicas is not None:
        yield _put(group, "replicas", str(advice.replicas), there="replicas" in said)
    if advice.prefetch is not None:
        yield Change((*group, "prefetch"), f'"{advice.prefetch}"')


def _limits(fleet: Fleet, advice: GroupAdvice, evidence: GroupEvidence) -> Iterator[Step]:
    """What a prefork group should have besides: an end of its processes, and one of tasks that take far too long."""
    from fleet.advice.prefetch_and_limits import time_limit

    group, path = fleet.workers[advice.group], ("workers", advice.group)
    if (advice.pool or group.pool) != "prefork":
        return
    is_new = advice.prefetch is None and advice.time_limit is None  # else it is only about what it says
    if is_new and not (group.max_tasks or group.max_memory or group.max_age):
        yield Add(path, "max_tasks", "1000")
    if group.time_limit is None and (is_new or advice.time_limit is not None):
        limit = time_limit(evidence)
        yield Add(path, "time_limit", f'"{limit}s"')
        if limit > group.grace_period.total_seconds():
            yield _put(path, "grace_period", f'"{limit}s"', there="grace_period" in group.said)


def _put(table: tuple[str, str], key: str, toml: str, *, there: bool) -> Step:
    return Change((*table, key), toml) if there else Add(table, key, toml)


def in_words(advice: GroupAdvice) -> Iterator[str]:
    """The lines of the file."""
    for queue, workload in advice.workloads.items():
        yield f'[queues.{queue}] workload = "{workload}"'
    for key, value in (
        ("pool", advice.pool),
        ("concurrency", advice.concurrency),
        ("replicas", advice.replicas),
        ("prefetch", advice.prefetch),
        ("time_limit", None if advice.time_limit is None else f"{advice.time_limit}s"),
    ):
        if value is not None:
            yield f"{key} = {value}" if isinstance(value, int) else f'{key} = "{value}"'
