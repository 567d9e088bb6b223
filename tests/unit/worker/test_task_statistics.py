"""What a worker counts of each task, and how it groups its errors."""

from __future__ import annotations

import time
from typing import Any

import pytest

from fleet.broker.delivery import Delivery
from fleet.histogram import bucket
from fleet.telemetry import (
    CPU,
    DURATIONS,
    EXPIRED,
    FAILED,
    LOST,
    MOST_ERRORS,
    MOST_SERIES,
    NEGATIVE_WAITS,
    OTHER,
    REJECTED,
    RETRIED,
    SUCCEEDED,
    UNKNOWN_WAITS,
    WAITED,
    WAITS,
    WALL,
)
from fleet.worker.error_groups import LOOKS_A_SECOND, ErrorGroups, place
from fleet.worker.outcome import Outcome
from fleet.worker.task_statistics import KEPT_ENDED, TaskStatistics

DONE = Outcome("succeeded", wall_seconds=0.2, cpu_seconds=0.05)
TRACEBACK = """Traceback (most recent call last):
  File "/srv/shop/tasks.py", line 12, in resize
    return inner()
  File "/srv/shop/images.py", line 40, in inner
    json.loads(text)
  File "/usr/lib/python3.11/site-packages/json5/decoder.py", line 1, in raw_decode
    raise JSONDecodeError
shop.errors.NoImage: none
"""


@pytest.fixture
def counted() -> TaskStatistics:
    statistics = TaskStatistics()
    statistics.learn(frozenset({"shop.resize", "shop.mail"}))
    return statistics


def delivery(task: Any = "shop.resize", queue: str = "io", **headers: Any) -> Delivery:
    ready = headers.pop("ready_since", None)
    return Delivery(None, queue, b"", {"task": task, "id": "1", **headers}, ready_since=ready)


def count(
    statistics: TaskStatistics, message: Delivery, kind: int = SUCCEEDED, outcome: Outcome = DONE
) -> list[float]:
    """The numbers of it, for a task that was handed to the pool two seconds ago and took what `outcome` says."""
    now = time.monotonic()
    statistics.count(message, outcome, kind, now - 2.0, now)
    return statistics.tell({})[-1].numbers


def test_a_success_is_counted_with_its_seconds(counted: TaskStatistics) -> None:
    numbers = count(counted, delivery())
    assert (numbers[SUCCEEDED], numbers[WALL], numbers[CPU]) == (1, 0.2, 0.05)
    assert numbers[DURATIONS + bucket(0.2)] == 1
    [entry] = counted.tell({})
    assert entry.last_success_at == pytest.approx(time.time(), abs=1)


def test_each_outcome_has_its_place_and_only_what_ran_a_duration(counted: TaskStatistics) -> None:
    for kind in (SUCCEEDED, FAILED, RETRIED, REJECTED, EXPIRED, LOST):
        numbers = count(counted, delivery(), kind)
        assert numbers[kind] == 1
    assert sum(numbers[DURATIONS:WAITS]) == 3
    assert sum(numbers[WAITS:]) + numbers[UNKNOWN_WAITS] == 3


def test_the_wait_ends_when_the_task_begins_and_not_when_it_was_sent_ahead(counted: TaskStatistics) -> None:
    """Handed to the pool 2 s ago, ran 0.2 s: it began 0.2 s ago."""
    sent = int((time.time() - 10) * 1000)
    numbers = count(counted, delivery(sent=sent))
    assert numbers[WAITED] == pytest.approx(9.8, abs=0.05)
    assert numbers[WAITS + bucket(9.8)] == 1


def test_the_wait_of_a_delayed_message_begins_when_it_is_due(counted: TaskStatistics) -> None:
    from fleet.protocol.fields import to_iso

    due = to_iso(time.time() - 3)
    assert count(counted, delivery(sent=int((time.time() - 60) * 1000), eta=due))[WAITED] == pytest.approx(
        2.8, abs=0.05
    )
    assert count(counted, delivery("shop.mail", eta=due))[WAITED] == pytest.approx(2.8, abs=0.05)


def test_without_the_header_the_broker_says_since_when(counted: TaskStatistics) -> None:
    assert count(counted, delivery(ready_since=time.time() - 5))[WAITED] == pytest.approx(4.8, abs=0.05)


@pytest.mark.parametrize("sent", [None, "yesterday", -5, 0, True, 1.5, 2**70, [1]])
def test_a_wait_that_nobody_knows_is_counted_as_that(counted: TaskStatistics, sent: Any) -> None:
    numbers = count(counted, delivery(sent=sent))
    assert (numbers[UNKNOWN_WAITS], numbers[WAITED]) == (1, 0)


def test_a_clock_that_is_ahead_gives_no_negative_wait(counted: TaskStatistics) -> None:
    numbers = count(counted, delivery(sent=int((time.time() + 60) * 1000)))
    assert (numbers[NEGATIVE_WAITS], numbers[WAITED], numbers[WAITS]) == (1, 0, 1)


@pytest.mark.parametrize("name", ["made.up", None, ["a"], {}, 5])
def test_a_name_that_the_app_does_not_have_counts_as_other(counted: TaskStatistics, name: Any) -> None:
    count(counted, delivery(name), REJECTED, Outcome("rejected", "unknown task"))
    assert [entry.task for entry in counted.tell({})] == [OTHER]


def test_there_are_never_more_series_than_the_most() -> None:
    statistics = TaskStatistics()
    names = [f"t{number}" for number in range(MOST_SERIES + 50)]
    statistics.learn(frozenset(names))
    for name in names:
        count(statistics, delivery(name))
    entries = {entry.task: entry.numbers[SUCCEEDED] for entry in statistics.tell({})}
    assert len(entries) == MOST_SERIES + 1
    assert entries[OTHER] == 50
    assert sum(entries.values()) == MOST_SERIES + 50


def test_only_what_has_changed_is_told_again(counted: TaskStatistics) -> None:
    told: dict[tuple[str, str], float] = {}
    count(counted, delivery())
    count(counted, delivery("shop.mail"))
    assert len(counted.tell(told)) == 2
    assert counted.tell(told) == []
    count(counted, delivery("shop.mail"))
    [entry] = counted.tell(told)
    assert (entry.task, entry.numbers[SUCCEEDED]) == ("shop.mail", 2), "and all of it, not what is new"


def test_a_task_whose_end_the_loop_hears_of_late_began_when_it_began(counted: TaskStatistics) -> None:
    """Coroutines that block the event loop one after the other: all of their ends are told at once."""
    now = time.monotonic()
    for end in (1.5, 1.2, 0.0):
        late = Outcome("succeeded", wall_seconds=0.3, ended_at=now - end if end else 0.0)
        counted.count(delivery(), late, SUCCEEDED, now - 2.0, now)
    assert [now - each.begun for each in counted.ended] == pytest.approx([1.8, 1.5, 0.3])


def test_the_last_thousand_that_ended_are_known(counted: TaskStatistics) -> None:
    for number in range(KEPT_ENDED + 3):
        count(counted, delivery(id=str(number)))
    assert len(counted.ended) == KEPT_ENDED
    assert (counted.ended[0].delivery_id, counted.ended[-1].delivery_id) == ("3", str(KEPT_ENDED + 2))
    assert counted.ended[-1].wall_seconds == 0.2


def test_the_first_thousand_are_told_once_the_last_thousand_are_others(counted: TaskStatistics) -> None:
    for number in range(KEPT_ENDED - 1):
        count(counted, delivery(id=str(number)), outcome=Outcome("succeeded", wall_seconds=1.0 + number))
    assert counted.first == [], "they are all among the last"
    for _ in range(KEPT_ENDED):
        count(counted, delivery())
    assert len(counted.first) == KEPT_ENDED
    assert [each.wall_seconds for each in counted.first[:2]] == [1.0, 2.0]
    assert counted.first[0].task == "shop.resize"


def test_the_place_of_an_error_is_the_innermost_of_the_app() -> None:
    assert place(TRACEBACK) == "/srv/shop/images.py:40 in inner"
    only_libraries = '  File "/usr/lib/python3/dist-packages/a.py", line 3, in f\n    x\n'
    assert place(only_libraries) == "/usr/lib/python3/dist-packages/a.py:3 in f"
    assert place("") == ""


def fail(groups: ErrorGroups, at: float, kind: str = "ValueError", line: int = 1) -> None:
    trace = f'  File "/srv/app.py", line {line}, in f\n    raise\n'
    outcome = Outcome("failed", f"{kind}: no {line}", trace)
    groups.count(delivery(), outcome, "shop.resize", "failed", at)


def test_errors_of_one_type_and_place_are_one_group_with_an_example() -> None:
    groups = ErrorGroups()
    for second in range(3):
        fail(groups, 1000.0 + second)
    fail(groups, 1003.0, "KeyError")
    first, second = groups.tell({}, 100)
    assert (first.type, first.place, first.times) == ("ValueError", "/srv/app.py:1 in f", 3)
    assert (first.first, first.last, first.id, first.reason) == (1000.0, 1002.0, "1", "ValueError: no 1")
    assert (second.type, second.times) == ("KeyError", 1)


def test_beyond_twenty_a_second_errors_are_counted_without_a_look() -> None:
    groups = ErrorGroups()
    for number in range(100):
        fail(groups, 1000.0 + number / 1000)
    [group] = groups.tell({}, 100)
    assert group.times == 100
    assert groups.dropped == 100 - LOOKS_A_SECOND


def test_there_are_never_more_groups_than_the_most_and_none_is_uncounted() -> None:
    groups = ErrorGroups()
    for line in range(MOST_ERRORS + 30):
        fail(groups, 1000.0 + line, line=line)
    told = groups.tell({}, 10_000)
    assert len(told) == MOST_ERRORS + 1
    assert next(each.times for each in told if each.type == OTHER) == 30


def test_an_example_is_told_once_and_a_count_each_time() -> None:
    groups, told = ErrorGroups(), dict[tuple[str, str], tuple[int, float]]()
    fail(groups, 1000.0)
    assert groups.tell(told, 100)[0].traceback
    fail(groups, 1001.0)
    [again] = groups.tell(told, 100)
    assert (again.times, again.traceback) == (2, "")
    fail(groups, 1100.0)
    assert groups.tell(told, 100)[0].traceback, "a newer example"


def test_what_has_not_run_is_grouped_by_how_it_ended() -> None:
    groups = ErrorGroups()
    groups.count(delivery(), Outcome("rejected", "unknown task 'x\x1b'"), OTHER, "rejected", 1.0)
    groups.count(delivery(), Outcome("failed", "<img onerror>: x"), "t", "failed", 2.0)
    assert [each.type for each in groups.tell({}, 9)] == ["rejected", "failed"]
