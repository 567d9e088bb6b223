"""Large bodies between a worker and its pool processes: more than the socket between them holds."""

from __future__ import annotations

import os
import signal
import time
import tracemalloc
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.broker.delivery import Delivery
from tests.process.pooling import Bench, bench, delivery
from tests.support import eventually

pytestmark = pytest.mark.process

MEGABYTE = 1_000_000
SIZES = (0, 65_536, 250_000, MEGABYTE, 5 * MEGABYTE, 20 * MEGABYTE)


@pytest.fixture
def pool(short_folder: Path) -> Iterator[Bench]:
    with bench(short_folder) as made:
        yield made


def large(key: str, size: int, **options: float) -> Delivery:
    return delivery("weigh", key, "x" * size, **options)


@pytest.mark.parametrize("size", SIZES)
def test_a_body_of_any_size_arrives_whole(pool: Bench, size: int) -> None:
    key = uuid.uuid4().hex
    pool.submit(large(key, size))
    pool.until(lambda: pool.done, "it ends")
    assert pool.done[0][1].kind == "succeeded"
    [line] = pool.lines(key)
    assert (line["size"], line["end"]) == (size, "x" * min(size, 8))


def test_large_ones_and_short_ones_between_them_all_run_once(pool: Bench) -> None:
    pool.warm("note", "warm-up")
    key = uuid.uuid4().hex
    waiting: list[Delivery] = []
    for size in (5 * MEGABYTE, 250_000, 20 * MEGABYTE, 1_000_000):
        waiting += [large(key, size), *[delivery("note", key) for _ in range(5)]]
    total = len(waiting)

    def all_done() -> bool:
        waiting[:0] = pool.given_back
        pool.given_back.clear()
        while waiting and (pool.in_pool < 2 or pool.pool.takes_ahead(waiting[0])):
            pool.submit(waiting.pop(0))
        return len(pool.done) == total

    pool.until(all_done, "all end")
    assert {outcome.kind for _, outcome in pool.done} == {"succeeded"}
    assert len(pool.lines(key)) == total


def block(pool: Bench) -> list[int]:
    """Stop its processes: what they are sent stays under way. Their pids."""
    pids = list(pool.pool.children)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    return pids


def test_what_waits_behind_a_running_one_can_be_taken_back_half_sent_and_runs_elsewhere(pool: Bench) -> None:
    """Taken back, it lies in the way of what comes next; that arrives all the same."""
    key = uuid.uuid4().hex
    process = next(iter(pool.pool._processes.values()))
    long, behind, next_one = (
        delivery("nap", key, 0.5),
        large(key, 5 * MEGABYTE),
        large(f"{key}-next", MEGABYTE),
    )
    for each in (long, behind):
        pool.pool._assigner.assign(each, process, None, 0.0)
        pool.pool.flush()
    assert process.has_unsent
    eventually(lambda: pool.wrote(key, "begin"), message="the first runs")
    assert pool.pool.recall() == [behind]
    pool.pool._assigner.assign(next_one, process, None, 0.0)
    pool.pool.flush()

    def both_done() -> bool:
        while pool.given_back:  # it had to wait too long there
            pool.pool._assigner.assign(pool.given_back.pop(), process, None, time.monotonic())
        return len(pool.done) == 2

    pool.until(both_done, "both that were left end")
    assert {each for each, _ in pool.done} == {long, next_one}
    assert [line["what"] for line in pool.lines(key)] == ["begin", "end"]
    assert [line["size"] for line in pool.lines(f"{key}-next")] == [MEGABYTE]


def test_a_permit_that_nobody_has_read_is_taken_back_with_a_half_sent_body(pool: Bench) -> None:
    pids = block(pool)
    sent = [large("never", 5 * MEGABYTE), large("never", 5 * MEGABYTE)]
    pool.submit(*sent)
    assert sorted(map(id, pool.pool.recall())) == sorted(map(id, sent))
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    key = uuid.uuid4().hex
    pool.submit(delivery("note", key), delivery("note", key))
    pool.until(lambda: len(pool.done) == 2, "those that came after run")
    assert pool.lines("never") == []
    assert len(pool.lines(key)) == 2


@pytest.mark.parametrize("size", [10, 5 * MEGABYTE])
def test_a_process_that_stops_reading_is_replaced_and_holds_up_nobody(pool: Bench, size: int) -> None:
    """Nothing had begun in it, so nothing is counted."""
    key = uuid.uuid4().hex
    stopped, *others = block(pool)
    for pid in others:
        os.kill(pid, signal.SIGCONT)
    process = pool.pool._processes[stopped]
    pool.pool._assigner.forget(process)
    kept = large("kept", size)

    def send() -> None:
        pool.pool._assigner.assign(kept, process, 0.3, time.monotonic())
        pool.pool._deadlines.look_at(time.monotonic() + 0.3)
        pool.pool.flush()

    send()
    pool.submit(delivery("note", key))
    pool.until(lambda: pool.lines(key), "the other process works meanwhile")

    def replaced() -> bool:
        while pool.given_back:
            pool.given_back.clear()
            if stopped in pool.pool.children:
                send()
        return stopped not in pool.pool.children and len(pool.pool.children) == 2

    pool.until(replaced, "another one is in its place")
    assert [outcome.kind for _, outcome in pool.done] == ["succeeded"]
    assert pool.lines("kept") == []


def test_a_hard_limit_counts_from_the_moment_at_which_the_body_has_arrived(pool: Bench) -> None:
    """Handing over 20 MB takes longer than this task may."""
    key = uuid.uuid4().hex
    pool.submit(delivery("weigh", key, "x" * 20 * MEGABYTE, time_limit=30.0))
    process = next(each for each in pool.pool._processes.values() if each.count)
    before = process.current_since
    pool.until(lambda: not process.has_unsent or pool.done, "it has arrived")
    assert pool.done or process.current_since > before


def test_a_process_killed_with_a_half_sent_body_gives_it_up(pool: Bench) -> None:
    stopped = block(pool)[-1]
    sent = large("half", 20 * MEGABYTE)
    pool.submit(sent)
    victim = next(pid for pid, each in pool.pool._processes.items() if each.count)
    assert victim == stopped or victim in pool.pool.children
    os.kill(victim, signal.SIGKILL)
    pool.until(lambda: pool.done or pool.given_back, "accounted for")
    assert pool.given_back == [sent] or [kind for _, (kind, *_) in pool.done] == ["lost"]
    for pid in pool.pool.children:
        os.kill(pid, signal.SIGCONT)


def test_the_worker_makes_no_copy_of_a_large_body(pool: Bench) -> None:
    sent = large("thrifty", 20 * MEGABYTE)
    tracemalloc.start()
    try:
        pool.submit(sent)
        pool.until(lambda: pool.done, "it ends")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2 * MEGABYTE


def test_headers_that_no_frame_can_hold_are_refused_and_the_process_goes_on(pool: Bench) -> None:
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    odd, key = delivery("note", "odd"), uuid.uuid4().hex
    odd.headers["deep"] = deep
    pool.submit(odd, delivery("note", key))
    pool.until(lambda: len(pool.done) == 2, "both are accounted for")
    outcomes = dict(pool.done)
    assert outcomes[odd].kind == "rejected"
    assert "can't be handed to a pool process" in outcomes[odd].reason
    assert len(pool.lines(key)) == 1
    while deep:  # else Python takes it apart by recursion
        deep = deep.pop()  # type: ignore[assignment]
