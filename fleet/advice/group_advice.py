"""Advice on a group by what its workers have counted: pool, slots, replicas, workload. Pure.

Nothing is said without enough evidence, and nothing where the file is near enough to what would be right.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from fleet.advice.evidence import GroupEvidence, TaskEvidence
from fleet.advice.measured import COMPUTES
from fleet.advice.mixes import why_apart
from fleet.advice.prefetch_and_limits import ENOUGH_FOR_A_LIMIT, slowest, time_limit, wrong_prefetch
from fleet.duration_words import measured

_GREEN = ("gevent", "eventlet")
_BASE_BYTES = 40e6  # of a worker that runs nothing
_MOST = {"threads": 64, "prefork": 32}
_MOST_GREEN = 500
_FEWEST_GREEN = 50
_CLEAR = 0.2  # so far from one half the part is that a task computes: then it is said
_NEAR = 1.6  # a number that is no farther off than so many times is left alone
_SPARE = 1.5
_OWN_SECONDS = 0.0001  # of CPU that a worker takes for a task besides


class Declared(NamedTuple):
    """What fleet.toml says of the group. `slots`: as a number; `workloads`: by queue, None where it says nothing.

    `prefetch` None: "auto". `is_unlimited`: its tasks have no time limit, and could have one.
    """

    pool: str
    slots: int
    replicas: int | None  # None: scaled by load
    workloads: dict[str, str | None]
    prefetch: int | None = None
    is_unlimited: bool = False


class Surroundings(NamedTuple):
    """What there is. `free_cpus`: those that other groups of processes leave."""

    free_cpus: int
    memory: float
    pools: tuple[str, ...]


class GroupAdvice(NamedTuple):
    """What the group's tables should say; what is as it is in the file is None or left out of `workloads`.

    `why` is what was measured, `gain` what it would bring, `sure` "yes" or "fairly".
    """

    group: str
    why: str
    gain: str
    pool: str | None = None
    concurrency: int | None = None
    workloads: dict[str, str] = {}  # noqa: RUF012  never changed
    replicas: int | None = None
    sure: str = "yes"
    prefetch: str | None = None
    time_limit: int | None = None  # seconds


class SplitAdvice(NamedTuple):
    """Tasks that should not share a queue or a group: nothing that an edit of the file can do alone."""

    group: str
    why: str


def advise(
    evidence: GroupEvidence, declared: Declared, around: Surroundings
) -> GroupAdvice | SplitAdvice | None:
    """The one thing to do first."""
    if not evidence.is_enough:
        return None
    known = [task for task in evidence.tasks if task.is_enough]
    apart = why_apart([(task.task, task.mean, evidence.share(task)) for task in known])
    if apart and _is_felt(evidence, known):
        return SplitAdvice(evidence.group, apart)
    workloads = _workloads(evidence, declared)
    shape = _computing if evidence.computes >= COMPUTES else _waiting
    return shape(evidence, declared, around, workloads) or _besides(evidence, declared)


def _besides(evidence: GroupEvidence, declared: Declared) -> GroupAdvice | None:
    """Where pool and slots are right: what a worker takes ahead, and a limit that is missing."""
    why, gains, prefetch, limit = [_measured(evidence)], [], None, None
    if declared.prefetch is not None:
        is_alone = declared.replicas == 1
        found = wrong_prefetch(evidence, declared.prefetch, declared.slots, is_alone=is_alone)
        if found is not None:
            prefetch = "auto"
            why.append(found[0])
            gains.append(found[1])
    if declared.is_unlimited and declared.pool == "prefork" and evidence.ran >= ENOUGH_FOR_A_LIMIT:
        limit = time_limit(evidence)
        why.append(f"999 of 1,000 within {measured(slowest(evidence))}")
        gains.append(f"a task that hangs gives its process back after {limit} s")
    if not gains:
        return None
    return GroupAdvice(evidence.group, "; ".join(why), "; ".join(gains), prefetch=prefetch, time_limit=limit)


def _is_felt(evidence: GroupEvidence, known: list[TaskEvidence]) -> bool:
    """Whether the mix has done harm: messages have waited longer than short tasks take."""
    return any(task.waited(0.95) > max(1.0, 5 * task.mean) for task in known)


def _workloads(evidence: GroupEvidence, declared: Declared) -> dict[str, str]:
    """By queue what it should say and does not."""
    found = {}
    for queue, said in declared.workloads.items():
        tasks = [task for task in evidence.tasks if task.queue == queue]
        wall = sum(task.wall for task in tasks)
        if not any(task.is_enough for task in tasks) or not wall:
            continue
        share = sum(evidence.share(task) * task.wall for task in tasks) / wall
        right = "cpu" if share >= COMPUTES + _CLEAR else "io" if share <= COMPUTES - _CLEAR else said
        if right is not None and right != said:
            found[queue] = right
    return found


def _computing(
    evidence: GroupEvidence, declared: Declared, around: Surroundings, workloads: dict[str, str]
) -> GroupAdvice | None:
    why = _measured(evidence)
    replicas = declared.replicas or 1
    wanted = max(1, min(around.free_cpus // replicas, _fits(evidence, around, processes=True) // replicas))
    if declared.pool not in ("prefork", "solo"):
        gain = f"{wanted} processes compute at the same time, and keep nothing else from going on"
        return GroupAdvice(evidence.group, why, gain, "prefork", wanted, workloads)
    if declared.pool == "prefork" and evidence.all_busy and declared.slots * _NEAR <= wanted:
        gain = f"{wanted} at once where {declared.slots} were always busy"
        return GroupAdvice(evidence.group, why, gain, None, wanted, workloads)
    if declared.pool == "prefork" and declared.slots > wanted:
        gain = f"more than {wanted} only take turns, and each takes its memory"
        return GroupAdvice(evidence.group, why, gain, None, wanted, workloads)
    return _workload_only(evidence, why, workloads)


def _waiting(
    evidence: GroupEvidence, declared: Declared, around: Surroundings, workloads: dict[str, str]
) -> GroupAdvice | None:
    why = _measured(evidence)
    if evidence.takes_turns and declared.pool == evidence.pool:
        number = min(_MOST["threads"], _fits(evidence, around))
        what = "they block the event loop" if evidence.pool == "asyncio" else "they can't be patched"
        why += f"; of {evidence.slots} slots one at a time gets on: {what}"
        return GroupAdvice(
            evidence.group, why, "threads wait beside each other", "threads", number, workloads
        )
    return _more_or_fewer(evidence, declared, around, workloads) or _workload_only(evidence, why, workloads)


def _more_or_fewer(
    evidence: GroupEvidence, declared: Declared, around: Surroundings, workloads: dict[str, str]
) -> GroupAdvice | None:
    """Of tasks that wait: another number of slots, and with it perhaps another pool."""
    why, fits, seen = _measured(evidence), _fits(evidence, around), evidence.crowds
    knee = evidence.knee
    if knee is not None and declared.slots > _NEAR * knee:
        why += f"; with more than about {knee} at once they take longer, and no more of them end a second"
        gain = f"{knee} at once do as many, each sooner"
        pool, number = ("solo", None) if knee <= 1 else (None, min(knee, fits))
        return GroupAdvice(evidence.group, why, gain, pool, number, workloads)
    wanted = around.free_cpus
    if (
        evidence.is_saturated
        and declared.replicas is not None
        and evidence.waits
        and wanted > declared.replicas
    ):
        why += "; one process computes all the time"
        return GroupAdvice(
            evidence.group, why, f"{wanted} workers use {wanted} CPUs", None, None, workloads, wanted
        )
    pool = declared.pool
    if pool in ("prefork", "solo") or (pool == "threads" and evidence.pool == "threads"):
        pool = _pool_to_wait_on(evidence, around, pool, knee)
    number = _number(pool, evidence, knee, fits)
    # With many always at once nobody knows whether fewer would take less time each: whether there is a limit behind.
    is_known = knee is not None or any(each.number <= evidence.slots / 4 for each in seen)
    may_grow = evidence.all_busy and (is_known or evidence.slots < _FEWEST_GREEN)
    if may_grow and (pool != declared.pool or number >= _NEAR * declared.slots):
        why += (
            f"; all {evidence.slots} slots were busy, and messages waited {measured(_late(evidence))} (p95)"
        )
        gain = f"{number} wait at once in one process"
        sure = "yes" if is_known else "fairly"
        return GroupAdvice(evidence.group, why, gain, _if_new(pool, declared), number, workloads, sure=sure)
    if declared.slots > fits:
        why += f"; {declared.slots} at once need more memory than there is"
        return GroupAdvice(evidence.group, why, f"{fits} fit", None, fits, workloads)
    return None


def _workload_only(evidence: GroupEvidence, why: str, workloads: dict[str, str]) -> GroupAdvice | None:
    if not workloads:
        return None
    return GroupAdvice(evidence.group, why, "`fleet validate` checks pools by it", workloads=workloads)


def _pool_to_wait_on(evidence: GroupEvidence, around: Surroundings, present: str, knee: int | None) -> str:
    if present == "solo" and (not evidence.waits or knee == 1):
        return present
    blocked = evidence.lessons.blocked
    if all(task.is_async for task in evidence.tasks):
        return "threads" if "asyncio" in blocked else "asyncio"
    if any(task.is_async for task in evidence.tasks) or any(pool in blocked for pool in _GREEN):
        return "threads"
    return next((pool for pool in _GREEN if pool in around.pools), "threads")


def _number(pool: str, evidence: GroupEvidence, knee: int | None, fits: int) -> int:
    """By Little's law: as many as run and wait at once in the worst of times, with something to spare."""
    if knee is not None:
        return max(1, min(knee, fits))
    rate = evidence.rate or (evidence.slots / evidence.mean if evidence.mean else 0.0)
    need = _SPARE * rate * (_late(evidence) + evidence.mean)
    # More than four times as many as keep one CPU busy bring nothing.
    cpu = sum(task.cpu for task in evidence.tasks) / max(1, evidence.ran) + _OWN_SECONDS
    most = min(_MOST.get(pool, _MOST_GREEN), max(_FEWEST_GREEN, int(4 * evidence.mean / cpu)))
    fewest = 1 if pool in _MOST else _FEWEST_GREEN
    return int(max(1, min(max(fewest, need), most, fits)))


def _late(evidence: GroupEvidence) -> float:
    return max((task.waited(0.95) for task in evidence.tasks), default=0.0)


def _fits(evidence: GroupEvidence, around: Surroundings, *, processes: bool = False) -> int:
    """How many at once the memory takes, by what a worker had at most with so many of them."""
    if not evidence.memory:
        return 10**6
    at_once = max(1.0, min(evidence.at_once or evidence.slots, evidence.slots))
    each = (evidence.memory - _BASE_BYTES) / at_once
    if each <= 1e6:
        return 10**6
    return max(1, int((around.memory * 0.8 - _BASE_BYTES) / (each + (_BASE_BYTES if processes else 0))))


def _if_new(pool: str, declared: Declared) -> str | None:
    return None if pool == declared.pool else pool


def _measured(evidence: GroupEvidence) -> str:
    return ", ".join(_of_tasks(evidence))


def _of_tasks(evidence: GroupEvidence) -> Iterator[str]:
    shown = sorted(evidence.tasks, key=lambda task: -task.wall)[:3]
    for task in shown:
        share = evidence.share(task)
        yield f"{task.task} ran {task.ran:,} times, {measured(task.mean)} each, of which it computes {share:.0%}"
