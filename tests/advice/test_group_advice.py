"""Advice on a group by recorded numbers of its tasks: each kind of task, as workers of one pool or another count it."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.advice.evidence import Crowd, GroupEvidence, TaskEvidence, TimedRun, crowds, knee_of, with_programs
from fleet.advice.group_advice import Declared, GroupAdvice, SplitAdvice, Surroundings, advise
from fleet.histogram import BUCKETS, bucket

AROUND = Surroundings(4, 16e9, ("gevent",))
QUEUE = {"q": None}


def histogram(seconds: Sequence[float]) -> list[float]:
    counts = [0.0] * BUCKETS
    for each in seconds:
        counts[bucket(each)] += 1
    return counts


def counted(
    walls: Sequence[float], cpu: float, waits: Sequence[float], *, name: str = "work", is_async: bool = False
) -> TaskEvidence:
    return TaskEvidence(
        "q", name, len(walls), sum(walls), cpu * len(walls), histogram(walls), histogram(waits), is_async
    )


def wave(
    number: int, slots: int, seconds: float, *, capacity: int = 10**6, in_turn: int = 1
) -> list[TimedRun]:
    """All sent at once: `slots` of them run, of which `capacity` are served; `in_turn` share the time of one."""
    free, served = [0.0] * slots, [0.0] * min(capacity, slots)
    ended = []
    for _ in range(number):
        slot = min(range(slots), key=free.__getitem__)
        place = min(range(len(served)), key=served.__getitem__)
        begun = free[slot]
        end = max(begun, served[place]) + seconds * in_turn
        free[slot] = served[place] = end
        ended.append(TimedRun("g/0", begun, end - begun))
    return ended


def group(
    pool: str,
    slots: int,
    seconds: float,
    cpu: float,
    *,
    number: int = 600,
    capacity: int = 10**6,
    in_turn: int = 1,
    is_async: bool = False,
    cpu_wait: float | None = 0.0,
    memory: float = 60e6,
) -> GroupEvidence:
    ended = wave(number, slots, seconds, capacity=capacity, in_turn=in_turn)
    task = counted([each.wall for each in ended], cpu, [each.begun for each in ended], is_async=is_async)
    return GroupEvidence("g", pool, slots, (task,), 4, cpu_wait, memory, tuple(ended))


def blocked(pool: str, slots: int, seconds: float, *, is_async: bool) -> GroupEvidence:
    """One after the other, told in batches of all slots, each as if it had ended with the others."""
    ended = [
        TimedRun("g/0", (number // slots + 1) * slots * seconds - seconds, seconds) for number in range(300)
    ]
    waits = [number * seconds for number in range(300)]
    task = counted([seconds] * 300, 0.0005, waits, is_async=is_async)
    return GroupEvidence("g", pool, slots, (task,), 4, 0.0, 60e6, tuple(ended))


# What ran; the pool and the numbers that are right, None where nothing is to be changed in the group.
KINDS = {
    "computes on threads": (group("threads", 8, 0.05, 0.05, in_turn=8), "prefork", 4, 4),
    "computes on gevent": (group("gevent", 1, 0.05, 0.05), "prefork", 4, 4),
    "computes on threads of a busy machine": (
        group("threads", 8, 0.05, 0.05, in_turn=40, cpu_wait=5.0),
        "prefork",
        4,
        4,
    ),
    "computes on too many processes": (group("prefork", 16, 0.05, 0.05, in_turn=4), None, 4, 4),
    "waits 5 ms on threads": (group("threads", 8, 0.005, 0.0002), "gevent", 50, 500),
    "waits 200 ms on threads": (group("threads", 8, 0.2, 0.0005), "gevent", 50, 500),
    "waits 10 s on prefork": (group("prefork", 4, 10.0, 0.001), "gevent", 100, 500),
    "waits, async def, on threads": (group("threads", 8, 0.2, 0.0005, is_async=True), "asyncio", 50, 500),
    "waits on gevent with few slots": (group("gevent", 10, 0.2, 0.0005), None, 50, 500),
    "20 connections, 200 green threads": (group("gevent", 200, 0.05, 0.0005, capacity=20), None, 14, 32),
    "one at a time, 8 threads": (group("threads", 8, 0.03, 0.0005, capacity=1), "solo", None, None),
    "blocks the event loop": (blocked("asyncio", 100, 0.1, is_async=True), "threads", 16, 64),
    "blocks in C on gevent": (blocked("gevent", 100, 0.05, is_async=False), "threads", 16, 64),
    "waits with 300 MB each": (
        group("threads", 8, 0.5, 0.001, memory=40e6 + 8 * 300e6),
        "gevent",
        20,
        45,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
def test_of_each_kind_pool_and_concurrency_are_right_and_a_second_look_is_silent(kind: str) -> None:
    evidence, pool, fewest, most = KINDS[kind]
    declared = Declared(evidence.pool, evidence.slots, 1, dict(QUEUE))
    found = advise(evidence, declared, AROUND)
    assert isinstance(found, GroupAdvice), found
    assert found.pool == pool, found
    if fewest is None:
        assert found.concurrency is None
    else:
        assert fewest <= (found.concurrency or 0) <= (most or 0), found
    after = Declared(
        found.pool or declared.pool,
        1 if found.pool == "solo" else found.concurrency or declared.slots,
        found.replicas or 1,
        {"q": found.workloads.get("q")},
    )
    assert advise(evidence, after, AROUND) is None


def test_a_group_that_is_as_it_should_be_and_one_that_has_run_little_get_no_advice() -> None:
    idle = group("gevent", 200, 0.2, 0.0005, number=200)
    assert advise(idle, Declared("gevent", 200, 1, {"q": "io"}), AROUND) is None
    few = group("threads", 8, 0.05, 0.05, number=7)
    assert advise(few, Declared("threads", 8, 1, {"q": "io"}), AROUND) is None


def test_unlike_tasks_that_have_made_each_other_wait_are_to_be_parted() -> None:
    short = counted([0.02] * 500, 0.0005, [4.0] * 500, name="ping")
    long = counted([30.0] * 10, 0.01, [4.0] * 10, name="report")
    evidence = GroupEvidence("g", "gevent", 4, (short, long))
    found = advise(evidence, Declared("gevent", 4, 1, {"q": "io"}), AROUND)
    assert isinstance(found, SplitAdvice)
    assert "report takes 30 s, ping 20 ms" in found.why
    busy = counted([0.1] * 100, 0.1, [4.0] * 100, name="resize")
    found = advise(evidence._replace(tasks=(short, busy)), Declared("gevent", 4, 1, {"q": "io"}), AROUND)
    assert isinstance(found, SplitAdvice)
    assert "resize computes, ping waits" in found.why


def test_durations_that_vary_by_themselves_are_no_limit_of_a_service() -> None:
    chance = random.Random(7)
    free, ended = [0.0] * 100, []
    for _ in range(1000):
        slot = min(range(100), key=free.__getitem__)
        wall = chance.choice((0.01, 0.02, 0.03, 0.3))
        ended.append(TimedRun("g/0", free[slot], wall))
        free[slot] += wall
    assert knee_of(crowds(ended)) is None


GROUPS = st.builds(
    group,
    st.sampled_from(["threads", "gevent", "asyncio", "prefork"]),
    st.integers(1, 300),
    st.floats(0.001, 20),
    st.floats(0, 20),
    number=st.just(120),
    capacity=st.integers(1, 400),
    cpu_wait=st.one_of(st.none(), st.floats(0, 40)),
    memory=st.floats(0, 30e9),
)


@settings(max_examples=100, deadline=None)
@given(evidence=GROUPS)
def test_whatever_was_counted_following_the_advice_ends_it(evidence: GroupEvidence) -> None:
    declared = Declared(evidence.pool, evidence.slots, 1, dict(QUEUE))
    for _ in range(4):
        found = advise(evidence, declared, AROUND)
        if found is None:
            return
        assert isinstance(found, GroupAdvice)
        assert found.concurrency is None or found.concurrency >= 1
        declared = Declared(
            found.pool or declared.pool,
            1 if found.pool == "solo" else found.concurrency or declared.slots,
            found.replicas or declared.replicas,
            {**declared.workloads, **found.workloads},
        )
    raise AssertionError("it has no end")


def test_a_limit_that_was_never_seen_from_below_is_not_run_into() -> None:
    """200 at once on 20 connections, and a backlog: the last runs know no smaller crowd."""
    whole = group("gevent", 200, 0.3, 0.0005, number=1500, capacity=20)
    late = whole._replace(ended=tuple(sorted(whole.ended, key=lambda each: each.begun)[400:1400]))
    declared = Declared("gevent", 200, 1, {"q": "io"})
    assert advise(late, declared, AROUND) is None


def test_a_limit_that_was_seen_from_below_when_the_worker_filled_up_is_known_ever_after() -> None:
    """The same, and the worker has remembered its first runs."""
    whole = group("gevent", 200, 0.05, 0.0005, number=4000, capacity=20)
    runs = sorted(whole.ended, key=lambda each: each.begun)
    late = whole._replace(ended=tuple(runs[-1000:]), first=tuple(runs[:1000]))
    advice = advise(late, Declared("gevent", 200, 1, {"q": "io"}), AROUND)
    assert isinstance(advice, GroupAdvice)
    assert 14 <= (advice.concurrency or 0) <= 30, advice


def test_a_service_that_does_less_for_many_is_a_limit_not_far_beyond_it() -> None:
    """100 callers where 50 are served best, and no crowd of more than twice as many."""
    found = [Crowd(3, 0.1, 4), Crowd(6, 0.1, 8), Crowd(12, 0.1, 16), Crowd(24, 0.1, 32)]
    found += [Crowd(47, 0.1, 64), Crowd(90, 0.33, 900)]
    assert knee_of(found) == 47
    assert knee_of([*found[:-1], Crowd(90, 0.2, 900)]) is None, "as many a second"
    assert knee_of([*found[:-1], Crowd(90, 0.33, 8)]) is None, "too few to tell"


def test_many_that_compute_a_little_fill_a_process_and_do_not_compute() -> None:
    """As measured: 70 ms of computing for each 500 ms of waiting, 18 at once on a machine that others use."""
    ended = tuple(TimedRun("g/0", index * 0.001, 0.57) for index in range(3))
    ended += tuple(TimedRun("g/0", 0.01 + index * 0.1, 6.0) for index in range(57))
    evidence = group("gevent", 29, 6.0, 0.07, number=60, cpu_wait=3.4)._replace(ended=ended)
    assert evidence.share(evidence.tasks[0]) < 0.35
    computing = group("gevent", 29, 0.07, 0.07, in_turn=29)
    assert computing.share(computing.tasks[0]) == 1.0


def test_twenty_at_once_of_500_slots_do_not_block_each_other() -> None:
    evidence = group("gevent", 500, 0.05, 0.0001, number=3000, capacity=20)
    assert evidence.waits
    assert evidence.at_once > 10
    assert not evidence.takes_turns


def test_programs_that_tasks_call_compute_for_them() -> None:
    """As measured on two CPUs: each takes 170 ms of one, and eight at once take sixteen times as long as one alone."""
    waiting = group("threads", 8, 2.7, 0.0004, number=54)
    declared = Declared("threads", 8, 1, {"q": None})
    found = advise(waiting, declared, AROUND)
    assert isinstance(found, GroupAdvice)
    assert found.pool == "gevent", "that they compute was not counted"
    found = advise(waiting._replace(tasks=with_programs(waiting.tasks, 54 * 0.3)), declared, AROUND)
    assert isinstance(found, GroupAdvice)
    assert (found.pool, found.concurrency) == ("prefork", 4)
    assert with_programs(waiting.tasks, 0.01) == waiting.tasks, "a few, besides"


def test_of_few_slots_that_were_always_busy_it_is_said_that_it_is_not_quite_sure() -> None:
    whole = group("threads", 8, 0.3, 0.0005, number=600)
    ended = tuple(TimedRun("g/0", turn * 0.3 + slot * 0.03, 0.3) for turn in range(50) for slot in range(8))
    late = whole._replace(ended=ended)
    advice = advise(late, Declared("threads", 8, 1, {"q": "io"}), AROUND)
    assert isinstance(advice, GroupAdvice)
    assert advice.concurrency
    assert advice.concurrency > 8
    assert advice.sure == "fairly"
