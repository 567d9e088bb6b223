"""What has been sent ahead to a pool process: done once, lost never, and no hostage of what runs there."""

from __future__ import annotations

import multiprocessing.forkserver
import os
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from fleet.broker.delivery import Delivery
from fleet.worker.pools import process
from fleet.worker.pools import send_ahead as windows
from tests.process.pooling import Bench, bench, delivery
from tests.support import alive, eventually

pytestmark = pytest.mark.process


@pytest.fixture
def pool(short_folder: Path) -> Iterator[Bench]:
    """Two processes, where `nap` is known to be short."""
    with bench(short_folder) as made:
        made.warm("nap", "warm-up", 0.0)
        yield made


def naps(key: str, seconds: float, count: int, **options: Any) -> list[Delivery]:
    return [delivery("nap", key, seconds, **options) for _ in range(count)]


def kinds(pool: Bench) -> dict[Delivery, str]:
    assert len({each for each, _ in pool.done}) == len(pool.done)
    return {each: outcome.kind for each, outcome in pool.done}


def occupy(pool: Bench) -> tuple[str, list[Delivery]]:
    """Long ones in both processes, and short ones behind them."""
    key = uuid.uuid4().hex
    sent = naps(key, 60.0, 2) + naps(key, 0.0, 6)
    pool.submit(*sent)
    # Not turned meanwhile: they would be taken back.
    eventually(lambda: len(pool.wrote(key, "begin")) == 2, message="both run")
    assert pool.pool.ahead == 6
    return key, sent


def test_a_killed_process_takes_down_what_it_had_begun_and_nothing_else(pool: Bench) -> None:
    key, sent = occupy(pool)
    os.kill(pool.pool.children[0], signal.SIGKILL)
    pool.until(lambda: pool.done and len(pool.given_back) == 6, "buried; those behind the other taken back")
    assert len(pool.done) == 1
    assert pool.done[0][0] in sent[:2]
    assert pool.done[0][1].kind == "lost"
    assert sorted(map(id, pool.given_back)) == sorted(map(id, sent[2:]))
    assert len(pool.wrote(key, "begin")) == 2


def test_what_a_killed_process_had_ended_has_ended(pool: Bench) -> None:
    key = uuid.uuid4().hex
    blocker, *short = [*naps(key, 60.0, 1), *naps(key, 0.0, 5)]
    long = delivery("nap", f"{key}-long", 60.0)
    pool.submit(*short, long, blocker)
    eventually(lambda: pool.wrote(f"{key}-long", "begin") and pool.wrote(key, "begin"), message="they run")
    eventually(lambda: len(pool.wrote(key, "begin")) == 6, message="the blocker, too")
    for pid in pool.pool.children:
        os.kill(pid, signal.SIGKILL)
    pool.until(lambda: len(pool.done) == 7, "all are accounted for")
    assert kinds(pool) == {**dict.fromkeys(short, "succeeded"), long: "lost", blocker: "lost"}
    assert pool.given_back == []


def test_nothing_waits_behind_a_long_one_while_another_process_is_idle(pool: Bench) -> None:
    key = uuid.uuid4().hex
    long, *short = [*naps(key, 60.0, 1), *naps(key, 0.0, 7)]
    pool.submit(long, *short)
    pool.until(lambda: len(pool.done) + len(pool.given_back) == 7, "all but the long one are free again")
    assert pool.given_back
    pool.submit(*pool.given_back)
    pool.until(lambda: len(pool.done) == 7, "the other process does them")
    assert kinds(pool) == dict.fromkeys(short, "succeeded")
    assert len(pool.wrote(key, "begin")) == 8


def test_nothing_is_sent_behind_what_is_stuck(pool: Bench) -> None:
    occupy(pool)
    pool.until(lambda: len(pool.given_back) == 6, "taken back")
    assert not pool.pool.takes_ahead(pool.given_back[0])


def test_a_recall_returns_at_once_what_has_not_begun(pool: Bench) -> None:
    key, sent = occupy(pool)
    assert sorted(map(id, pool.pool.recall())) == sorted(map(id, sent[2:]))
    assert pool.pool.ahead == 0
    assert len(pool.wrote(key, "begin")) == 2


def test_a_hard_limit_ends_the_one_that_exceeds_it(pool: Bench) -> None:
    key = uuid.uuid4().hex
    slow, *behind = [*naps(key, 60.0, 1, time_limit=0.2), *naps(key, 0.0, 6)]
    pool.submit(slow, *behind)
    eventually(lambda: pool.wrote(key, "begin"), message="it runs")
    pool.until(lambda: slow in kinds(pool), "it is ended")
    pool.submit(*pool.given_back)
    pool.until(lambda: len(pool.done) == 7, "the others are done")
    assert kinds(pool) == {slow: "failed", **dict.fromkeys(behind, "succeeded")}


def test_when_the_fork_server_is_killed_each_is_accounted_for_once(pool: Bench) -> None:
    key, sent = occupy(pool)
    children = pool.pool.children
    server = multiprocessing.forkserver._forkserver._forkserver_pid  # type: ignore[attr-defined]
    os.kill(server, signal.SIGKILL)
    pool.until(lambda: len(pool.done) == 2, "what had begun is accounted for")
    assert not any(map(alive, children))
    assert kinds(pool) == dict.fromkeys(sent[:2], "lost")
    assert sorted(map(id, pool.given_back)) == sorted(map(id, sent[2:]))
    pool.submit(*pool.given_back)
    pool.until(lambda: len(pool.done) == 8, "new processes do the rest")
    assert len(pool.wrote(key, "begin")) == 8


@pytest.fixture
def frozen(pool: Bench) -> Iterator[Bench]:
    """Its processes get no turn: as on a machine that is far too busy."""
    children = pool.pool.children
    for pid in children:
        os.kill(pid, signal.SIGSTOP)
    eventually(lambda: all(_stopped(pid) for pid in children), message="stopped")
    yield pool
    for pid in filter(alive, children):
        os.kill(pid, signal.SIGCONT)


def _stopped(pid: int) -> bool:
    return "stopped" in psutil.Process(pid).status()


def test_a_process_that_has_begun_nothing_is_idle_when_all_is_taken_back(frozen: Bench) -> None:
    short = naps("short", 0.0, 6)
    frozen.submit(*short)
    frozen.until(lambda: len(frozen.given_back) == 6, "taken back")
    assert frozen.pool.takes_ahead(delivery("note", "not known to be short"))
    for pid in frozen.pool.children:
        os.kill(pid, signal.SIGCONT)
    frozen.until(lambda: resubmitted(frozen) == 6, "all are done")
    assert kinds(frozen) == dict.fromkeys(short, "succeeded")


def resubmitted(pool: Bench) -> int:
    """How many are done; what was taken back is submitted again, once more where the machine is busy indeed."""
    again = list(pool.given_back)
    pool.given_back.clear()
    pool.submit(*again)
    return len(pool.done)


def test_a_recall_hands_nothing_on_to_a_process_that_it_freed(frozen: Bench) -> None:
    sent = [*naps("short", 0.0, 2), delivery("note", "not known to be short")]
    frozen.submit(*sent)
    assert frozen.pool.recall() in (sent, [sent[1], sent[0], sent[2]])
    frozen.turn()
    for pid in frozen.pool.children:
        os.kill(pid, signal.SIGCONT)
    assert frozen.pool.recall() == []


def test_a_hard_limit_does_not_end_what_has_not_begun(frozen: Bench) -> None:
    limited = delivery("nap", "limited", 0.0, time_limit=0.1)
    frozen.submit(limited)
    frozen.until(lambda: frozen.given_back, "taken back instead")
    assert (frozen.given_back, frozen.done) == ([limited], [])


def test_dismissed_processes_hand_on_what_they_have_not_begun(pool: Bench) -> None:
    key, sent = occupy(pool)
    pool.configure(concurrency=1)
    assert 0 < len(pool.given_back) < 6
    assert len(pool.wrote(key, "begin")) == 2
    assert pool.done == []
    assert set(map(id, pool.given_back)) <= set(map(id, sent[2:]))


def test_with_early_acks_nothing_waits_in_a_process(pool: Bench) -> None:
    pool.configure(acks="early")
    key = uuid.uuid4().hex
    pool.submit(*naps(key, 60.0, 2))
    assert not pool.pool.takes_ahead(delivery("nap", key, 0.0))


def test_short_tasks_share_writes_and_wake_ups(pool: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    writes, wakes = [0], [0]
    pack, receive = process.pack, process.PoolProcess.receive

    def counting_pack(value: Any) -> bytes:
        writes[0] += 1
        return pack(value)

    def counting_receive(self: process.PoolProcess) -> list[Any]:
        messages = receive(self)
        wakes[0] += len(messages)
        return messages

    # As it is where nobody else needs the machine.
    monkeypatch.setattr(windows.Paces, "expect", lambda _self, _task: 0.0001)
    monkeypatch.setattr(process, "pack", counting_pack)
    monkeypatch.setattr(process.PoolProcess, "receive", counting_receive)
    queue = naps("short", 0.0, 1000)

    def all_done() -> bool:
        queue[:0] = pool.given_back
        pool.given_back.clear()
        while queue and pool.pool.takes_ahead(queue[0]):
            pool.pool.submit(queue.pop(0))
        pool.pool.flush()
        return len(pool.done) == 1000

    pool.until(all_done, "all are done")
    assert set(kinds(pool).values()) == {"succeeded"}
    assert writes[0] < 500
    assert wakes[0] < 500
