"""The sweep and its recommendation, on tasks that are formulas: all kinds whose answer is known, and any others."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.advice.measured import Alone, Capacity, Cell, PoolSetting, delayed_in_tasks
from fleet.advice.recommend import recommend
from fleet.advice.sweep import next_setting
from tests.advice.simulated import MIB, ROOM, Simulated, advised, swept

GREEN_DEAF = ("gevent", "eventlet", "asyncio")

KINDS = {
    "computes, in Python": (Simulated(computes=0.05), "prefork", 4, 4),
    "computes, in C that releases the lock": (
        Simulated(computes=0.05, holds_the_lock=False),
        "prefork",
        4,
        4,
    ),
    "computes, async def": (Simulated(computes=0.05, is_async=True), "prefork", 4, 4),
    "computes, with 6 GiB each": (Simulated(computes=0.5, memory=6000 * MIB), "prefork", 2, 2),
    "waits 5 ms": (Simulated(waits=0.005), "gevent", 20, 300),
    "waits 200 ms": (Simulated(waits=0.2), "gevent", 100, 4096),
    "waits 10 s": (Simulated(waits=10), "gevent", 200, 10_000),
    "waits 200 ms, async def": (Simulated(waits=0.2, is_async=True), "asyncio", 100, 4096),
    "waits, async def that blocks": (
        Simulated(waits=0.1, is_async=True, deaf_to=GREEN_DEAF),
        "threads",
        8,
        512,
    ),
    "waits in C that can't be patched": (Simulated(waits=0.05, deaf_to=GREEN_DEAF), "threads", 8, 512),
    "a database of 20 connections": (Simulated(waits=0.05, capacity=20), "gevent", 18, 30),
    "a pool of 10, async def": (Simulated(waits=0.08, is_async=True, capacity=10), "asyncio", 8, 20),
    "one at a time anywhere": (Simulated(waits=0.03, capacity=1), "solo", 1, 1),
    "one at a time in each process": (Simulated(waits=0.05, capacity_per_process=1), "prefork", 8, 32),
    "computes, one at a time": (Simulated(computes=0.05, capacity=1), "solo", 1, 1),
    "waits with 300 MiB each": (Simulated(waits=0.5, memory=300 * MIB), "gevent", 20, 44),
    "a service that slows down beyond 50": (
        Simulated(waits=0.1, slowed=lambda number: max(1.0, number / 50) ** 2),
        "gevent",
        35,
        70,
    ),
    "computes a quarter, in C that releases the lock": (
        Simulated(waits=0.05, computes=0.015, holds_the_lock=False),
        "threads",
        12,
        64,
    ),
    "a tenth of it computing": (Simulated(waits=0.09, computes=0.01), "gevent", 8, 40),
}


@pytest.mark.parametrize("kind", KINDS)
def test_of_each_kind_pool_and_concurrency_are_right(kind: str) -> None:
    task, pool, fewest, most = KINDS[kind]
    found = advised(task)
    assert found.pool == pool, found
    assert fewest <= found.concurrency <= most, found


TASKS = st.builds(
    Simulated,
    waits=st.floats(0.001, 20.0),
    computes=st.floats(0.0, 0.5),
    holds_the_lock=st.booleans(),
    is_async=st.booleans(),
    memory=st.floats(0, 2000 * MIB),
    capacity=st.one_of(st.just(float("inf")), st.integers(1, 500)),
)
ROOMS = st.builds(
    Capacity,
    st.integers(1, 64),
    st.floats(512 * MIB, 64 * 1024 * MIB),
    st.sampled_from([("prefork", "threads", "asyncio"), ROOM.pools]),
    st.just(4096),
)


@settings(max_examples=200, deadline=None)
@given(task=TASKS, room=ROOMS)
def test_whatever_the_task_the_sweep_ends_within_the_memory_and_advice_is_near_the_best(
    task: Simulated, room: Capacity
) -> None:
    cells = swept(task, room)
    alone = task.alone()
    assert len(cells) <= 16
    assert all(cell.setting.concurrency <= room.fits(alone, cell.setting.pool) for cell in cells)
    found = recommend(alone, cells, room)
    assert 1 <= found.concurrency <= max(room.fits(alone, found.pool), 1)
    if found.pool == "prefork" and found.workload == "cpu":
        assert found.concurrency <= room.cpus
    if found.pool in ("gevent", "asyncio", "threads") and found.sure == "yes":
        best = max(
            task.rate(PoolSetting(found.pool, number), room)
            for number in range(1, min(600, room.fits(alone, found.pool)) + 1)
        )
        assert task.rate(PoolSetting(found.pool, found.concurrency), room) >= 0.9 * best


@settings(max_examples=60, deadline=None)
@given(task=TASKS, seed=st.integers(0, 2**31), cut=st.integers(0, 12))
def test_advice_of_a_sweep_that_was_noisy_or_broken_off_is_still_within_bounds(
    task: Simulated, seed: int, cut: int
) -> None:
    chance = random.Random(seed)
    cells = swept(task, noise=lambda: chance.uniform(0.6, 1.0))[:cut]
    found = recommend(task.alone(), cells, ROOM)
    assert found.concurrency >= 1
    assert found.reason


def test_noise_is_told_and_failures_are_not_timed() -> None:
    task = Simulated(waits=0.1)
    alone, cells = task.alone(), swept(task)
    first = cells[0]._replace(rates=(10.0, 75.0))
    failing = Cell(
        PoolSetting("gevent", 512), (9999.0,), 0.1, 0.1, 0.0, 0.0, 100, failed=3, trouble="no connection"
    )
    found = recommend(alone, [first, *cells[1:2], failing], ROOM)
    assert failing.rate == 0
    assert any(note.startswith("noise:") for note in found.notes)
    assert any("3 of 100 failed, no connection" in note for note in found.notes)
    assert "with more at once some fail" in found.reason


def test_a_busy_machine_is_told_and_more_slots_without_gain_are_tried_twice() -> None:
    task = Simulated(waits=0.05, capacity=8)
    asked = [
        next_setting(
            task.alone(), [task.cell(PoolSetting("gevent", number), ROOM) for number in (8, 32)], ROOM
        )
    ]
    assert asked == [PoolSetting("gevent", 32)]
    cells = [cell._replace(idle_cpu=0.05) for cell in swept(task)]
    assert any("the machine is busy" in note for note in recommend(task.alone(), cells, ROOM).notes)


def test_a_task_that_waits_does_not_compute_because_other_threads_wait_for_a_cpu() -> None:
    """As measured: 300 ms of waiting on a machine where each thread of the worker waited as long."""
    cpu, wall, times = 0.0005, 0.3, 30
    waited = delayed_in_tasks(2 * wall * times, cpu * times, 0.25) / times
    alone = Alone(wall, wall, cpu, waited, 0.0, 0.0, 1 / wall, times)
    assert alone.share < 0.1
    assert not alone.computes


def test_a_task_that_computes_and_waits_for_a_cpu_computes() -> None:
    cpu, wall, times = 0.05, 0.2, 30
    waited = delayed_in_tasks(0.15 * times, cpu * times, cpu * times * 1.05) / times
    alone = Alone(wall, wall, cpu, waited, 0.0, 0.0, 1 / wall, times)
    assert alone.share > 0.8


def test_tasks_without_cpu_time_are_not_delayed_by_a_busy_machine() -> None:
    assert delayed_in_tasks(3.0, 0.0, 0.0) == 0.0


def test_on_a_busy_machine_nobody_says_that_one_at_a_time_gets_in() -> None:
    """As measured: programs that compute, started by the task; what they waited for a CPU is told by nobody."""
    task = Simulated(computes=0.17)
    cells = [task.cell(PoolSetting(pool, 2), Capacity(2, 8e9, ROOM.pools)) for pool in ("prefork", "threads")]
    slow = [cell._replace(rates=(4.3,), idle_cpu=0.05) for cell in cells]
    found = recommend(task.alone(), slow, Capacity(2, 8e9, ROOM.pools))
    assert (found.pool, found.concurrency) == ("prefork", 2)
    alone_on_it = [cell._replace(rates=(5.8,), idle_cpu=0.49) for cell in cells]
    assert recommend(task.alone(), alone_on_it, Capacity(2, 8e9, ROOM.pools)).pool == "solo"


def test_where_one_process_computes_all_the_time_more_slots_that_were_faster_were_noise() -> None:
    """As measured on a machine of which others used nine tenths."""
    alone = Alone(0.0528, 0.0528, 0.0013, 0.0, 0.0, 30 * MIB, 18.3, 100)
    rates = {8: 97.0, 32: 283.0, 128: 490.0, 512: 729.0}
    cells = [
        Cell(PoolSetting("gevent", slots), (rate,), 0.06, 0.06, 0.0013, 40 * MIB, 1000)
        for slots, rate in rates.items()
    ]
    assert recommend(alone, cells, ROOM).concurrency == 128
    assert recommend(alone, [cell._replace(cpu=0.0002) for cell in cells], ROOM).concurrency == 512
    slower = cells[2]._replace(setting=PoolSetting("gevent", 100), rates=(200.0,))
    assert recommend(alone, [*cells[:2], slower, cells[3]], ROOM).concurrency == 32, (
        "of those that were measured"
    )
