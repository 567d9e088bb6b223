"""history.db: what is in it after every kind of end, how it is bounded, and what a bad disk does."""

from __future__ import annotations

import asyncio
import io
import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.controller.history import history as module
from fleet.controller.history import ranges
from fleet.controller.history.database import Batch, Database
from fleet.controller.history.history import FleetHistory
from fleet.controller.history.points import KEPT_SECONDS, STEPS, HistoryPoint, combined
from fleet.controller.history.totals import Key
from fleet.controller.log.events import EventLog
from fleet.controller.log.journal import Journal
from fleet.statedir import StateDir
from fleet.telemetry import CPU, SIZE, SUCCEEDED, WAITED, WALL, Statistics, TaskEntry, nothing
from tests.support import eventually

START = 1_800_000_000.0
IO = Key("task", "io", "t")
QUEUE = Key("queue", "io")
STATUS: dict[str, Any] = {
    "state": "healthy",
    "broker": {"error": None},
    "queues": [
        {
            "name": "io",
            "ready": 4,
            "unacked": 1,
            "delayed": 0,
            "dead": 2,
            "oldest_seconds": 1.5,
            "consumers": None,
        }
    ],
    "groups": [
        {
            "name": "http",
            "paused_queues": [],
            "replicas": {"desired": 2, "ready": 1},
            "workers": [{"in_flight": 3, "concurrency": 4, "rss_bytes": 100, "restarts": 1}],
        }
    ],
}


class Clock:
    def __init__(self) -> None:
        self.now = START

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(module, "time", found)
    return found


@pytest.fixture
def state(tmp_path: Path) -> StateDir:
    found = StateDir(tmp_path / ".fleet")
    found.create()
    return found


def opened(state: StateDir) -> FleetHistory:
    history = FleetHistory(state, EventLog(io.StringIO()))
    history.open()
    return history


def write(history: FleetHistory) -> None:
    """One commit, without the thread."""
    batch = history._batch(module.time.time())
    history._write(batch)
    history._written(batch)


def told(succeeded: int, birth: str = "a", *, last: bool = False) -> Statistics:
    numbers = nothing()
    numbers[SUCCEEDED] = succeeded
    return Statistics("http/0", 1, birth, (TaskEntry("io", "t", numbers, START),), last=last)


def rows(state: StateDir, sql: str) -> list[Any]:
    with closing(sqlite3.connect(state.history)) as db:
        return db.execute(sql).fetchall()


def test_a_controller_that_comes_back_goes_on_counting(state: StateDir, clock: Clock) -> None:
    first = opened(state)
    first.take(told(5))
    write(first)
    first.take(told(8))  # killed before this is written
    second = opened(state)
    assert second.ledger.totals[IO][SUCCEEDED] == 5
    second.take(told(9))
    assert second.ledger.totals[IO][SUCCEEDED] == 9


def test_the_file_is_private_and_its_log_too(state: StateDir, clock: Clock) -> None:
    history = opened(state)
    history.take(told(1))
    write(history)
    assert state.history.stat().st_mode & 0o777 == 0o600
    assert rows(state, "PRAGMA journal_mode") == [("wal",)]


def test_a_kill_within_a_minute_loses_nothing_of_that_minutes_point(state: StateDir, clock: Clock) -> None:
    first = opened(state)
    first.take(told(5))
    write(first)
    clock.now += 20
    second = opened(state)
    second.take(told(7))
    write(second)
    found = ranges.series(state.history, IO, START - 60, START + 120, 60)
    assert [point.counts[SUCCEEDED] for _, point in found.points] == [7]


def test_idle_minutes_are_not_written(state: StateDir, clock: Clock) -> None:
    history = opened(state)
    history.take(told(5))
    for _ in range(5):
        write(history)
        clock.now += 60
        history.take(told(5))
    assert len(ranges.series(state.history, IO, 0, START * 2, 60).points) == 1


def test_queues_and_groups_are_kept_with_the_largest_of_a_minute(state: StateDir, clock: Clock) -> None:
    history = opened(state)
    history.sample(STATUS)
    busier = json.loads(json.dumps(STATUS))
    busier["queues"][0]["ready"] = 40
    history.sample(busier)
    clock.now += 60
    write(history)
    [(at, point)] = ranges.series(state.history, QUEUE, 0, START * 2, 60).points
    assert at == START // 60 * 60
    assert module.gauges("queue", point) == {
        "ready": 40,
        "unacked": 1,
        "delayed": 0,
        "dead": 2,
        "oldest_seconds": 1.5,
        "consumers": None,
        "paused": 0,
    }
    [(_, point)] = ranges.series(state.history, Key("group", "http"), 0, START * 2, 60).points
    assert point.gauges[:4] == [2, 1, 3, 4]


def test_longer_points_are_made_when_their_time_is_over(state: StateDir, clock: Clock) -> None:
    clock.now = START // 3600 * 3600
    begin, history = clock.now, opened(state)
    for minute in range(121):
        history.take(told(minute + 1))
        write(history)
        clock.now += 60
    sums = {
        step: [
            point.counts[SUCCEEDED]
            for _, point in ranges.series(state.history, IO, begin, clock.now, step).points
        ]
        for step in STEPS
    }
    assert sums[60] == [1] * 121
    assert sums[600] == [10] * 12
    assert sums[3600] == [60, 60]


def test_old_points_are_removed(state: StateDir, clock: Clock) -> None:
    history = opened(state)
    history.take(told(1))
    write(history)
    clock.now += KEPT_SECONDS[60] + 120
    history.take(told(2))
    write(history)
    assert len(ranges.series(state.history, IO, 0, START * 2, 60).points) == 1
    assert [p.counts[SUCCEEDED] for _, p in ranges.series(state.history, IO, 0, START * 2, 600).points] == [1]


def test_the_file_stays_below_its_size_and_the_oldest_goes(state: StateDir, clock: Clock) -> None:
    database = Database(state.history, 400_000)
    database.open()
    numbers = nothing()
    for place in range(30):
        numbers[place] = 12345 + place
    for minute in range(400):
        at = int(START) + 60 * minute
        keys = [Key("task", "io", f"t{number}") for number in range(20)]
        database.write(Batch(at, points={(key, at): HistoryPoint(numbers, []) for key in keys}))
    assert database.size() <= 400_000
    found = ranges.series(state.history, Key("task", "io", "t3"), 0, START * 2, 60).points
    assert found[-1][0] == int(START) + 60 * 399
    assert found[0][0] > START
    assert state.history.stat().st_size < 600_000, "and the disk has it back"


def test_the_last_words_of_a_worker_count_once_whenever_the_controller_is_killed(
    state: StateDir, clock: Clock
) -> None:
    file = state.worker_files / "ab.statistics"

    def restart(killed_after: int) -> float:
        history = opened(state)
        asyncio.run(history.collect())
        steps: list[Callable[[], object]] = [
            lambda: setattr(history, "batch", history._batch(clock.now)),
            lambda: history._write(history.batch),  # type: ignore[attr-defined]
            lambda: history._written(history.batch),  # type: ignore[attr-defined]
            lambda: write(history),
        ]
        for step in steps[:killed_after]:
            step()
        return history.ledger.totals[IO][SUCCEEDED]

    first = opened(state)
    first.take(told(3, "ab"))
    write(first)
    file.write_text(told(7, "ab", last=True).to_json())
    for killed_after in (0, 1, 2, 4, 4):
        assert restart(killed_after) == 7, f"killed after {killed_after} steps"
    assert not file.exists()
    assert rows(state, "SELECT * FROM baselines") == []


def test_what_lies_there_and_is_no_last_word_is_removed_and_links_are_not_followed(
    state: StateDir, clock: Clock, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text(told(9, "cd", last=True).to_json())
    (state.worker_files / "cd.statistics").symlink_to(secret)
    (state.worker_files / "ee.statistics").write_text("{}")
    (state.worker_files / "ff.statistics").write_text(told(9, "ab", last=True).to_json())
    history = opened(state)
    asyncio.run(history.collect())
    assert history.ledger.totals == {}
    assert secret.exists()
    assert not (state.worker_files / "ee.statistics").exists()


def test_a_file_that_is_no_database_is_set_aside(state: StateDir, clock: Clock) -> None:
    state.history.write_bytes(b"rubbish" * 1000)
    history = opened(state)
    history.take(told(1))
    write(history)
    assert state.history.with_name("history.db.corrupt").read_bytes().startswith(b"rubbish")
    assert opened(state).ledger.totals[IO][SUCCEEDED] == 1


def test_a_file_that_is_damaged_while_it_is_in_use_is_set_aside_and_no_count_is_lost(
    state: StateDir, clock: Clock
) -> None:
    history = opened(state)
    history.take(told(5))
    write(history)
    history._database.close()
    for suffix in ("-wal", "-shm"):
        Path(f"{state.history}{suffix}").unlink(missing_ok=True)
    state.history.write_bytes(b"\0" * 50_000)
    history.take(told(6))
    write(history)
    assert opened(state).ledger.totals[IO][SUCCEEDED] == 6


def test_a_disk_that_is_full_harms_nothing_and_what_waited_is_written_later(
    state: StateDir, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, full = Database.write, True

    def fails(self: Database, batch: Batch) -> None:
        if full:
            raise sqlite3.OperationalError("database or disk is full")
        real(self, batch)

    monkeypatch.setattr(Database, "write", fails)

    async def scenario() -> None:
        nonlocal full
        history = opened(state)
        history.start()
        history.take(told(5))
        history.commit()
        await asyncio.to_thread(eventually, lambda: history.error)
        assert history.ledger.totals[IO][SUCCEEDED] == 5
        full = False
        history.take(told(6))
        history.commit()
        await asyncio.to_thread(eventually, lambda: history.error is None)
        history.close()

    asyncio.run(scenario())
    assert opened(state).ledger.totals[IO][SUCCEEDED] == 6


def test_events_have_numbers_that_go_on_and_are_all_there(state: StateDir, clock: Clock) -> None:
    def controller(text: str, *, killed: bool) -> int:
        log = EventLog(io.StringIO(), Journal(state.events))
        history = FleetHistory(state, log)
        history.open()
        log.note = history.note
        log.info(text)
        if not killed:
            write(history)
        return log.sequence

    numbers = [
        controller("one", killed=False),
        controller("two", killed=True),
        controller("three", killed=False),
    ]
    assert numbers == [1, 2, 3]
    found = ranges.events(state.history, None, 10)
    assert [(each["sequence"], each["message"]) for each in found] == [(3, "three"), (2, "two"), (1, "one")]
    state.events.unlink()
    assert controller("four", killed=False) == 4, "the file alone knows it, too"


def test_gauges_that_nobody_knows_stay_unknown() -> None:
    points = [HistoryPoint([], [None, 1]), HistoryPoint([], [None, 3])]
    assert combined("fleet", points).gauges == [None, 2]


def test_a_range_is_told_in_points_that_reach_back_far_enough() -> None:
    assert ranges.step_for(START - 3600, START, START) == 60
    assert ranges.step_for(START - 3 * 86400, START, START) == 600
    assert ranges.step_for(START - 100 * 86400, START, START) == 3600


@given(st.dictionaries(st.integers(0, SIZE - 1), st.integers(0, 2**53), max_size=20), st.floats(0, 1e6))
def test_a_point_comes_back_from_its_columns_as_it_was(counted: dict[int, int], seconds: float) -> None:
    numbers = nothing()
    for place, number in counted.items():
        numbers[place] = number
    numbers[WALL], numbers[CPU], numbers[WAITED] = seconds, seconds / 3, seconds / 7
    back = HistoryPoint.from_columns(*HistoryPoint(numbers, [1, None, 2.5]).to_columns())
    assert (back.counts or nothing()) == pytest.approx(numbers, abs=1e-6)
    assert back.gauges == [1, None, 2.5]
    assert HistoryPoint.from_columns(*HistoryPoint([], []).to_columns()) == HistoryPoint([], [])


@pytest.mark.parametrize("packed", [b"\x80", b"\x01", b"\xff\xff\x01\x01", b"\x01\x80"])
def test_columns_that_nobody_has_written_are_an_error_and_no_endless_loop(packed: bytes) -> None:
    with pytest.raises((ValueError, IndexError)):
        HistoryPoint.from_columns(packed, "")
