"""The scheduler's loop on a book in memory: how often it wakes, what it writes, what it does about refusals."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from fleet.broker.delivery import BrokerUnavailable, Delivery
from fleet.broker.notes import Entry, Written
from fleet.launch_specs import ScheduleSpec
from fleet.scheduler.known import KnownFile
from fleet.scheduler.log import Log
from fleet.scheduler.loop import ALIVE, LONGEST_WAIT_SECONDS, Plan, Scheduler
from fleet.scheduler.messages import Messages
from fleet.schedules.due import run_id
from fleet.schedules.moments import MINUTE, SECOND
from fleet.schedules.orders import order
from fleet.spec import BrokerSpec, QueueSpec, RouteSpec, RoutingSpec


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file of what is known goes by real time."""
    monkeypatch.setattr("fleet.scheduler.known._LEAST_SECONDS", 0.0)


NOW = 1_795_986_000_000
HOUR = 60 * MINUTE
ROUTING = RoutingSpec(BrokerSpec("memory://"), (QueueSpec("q"),), (RouteSpec(("shop.*",), "q"),))


@dataclass
class MemoryBook:
    """See Book. Its time goes by what is waited for, and `waits` tells of each."""

    time: int = NOW
    kept: dict[str, str] = field(default_factory=dict)
    sent: list[Any] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    enters: int = 0
    refuses: str = ""
    orders: list[Delivery] = field(default_factory=list)
    empty: bool = False
    fails: bool = False

    def connect(self) -> None: ...

    def now(self) -> int:
        return self.time

    def notes(self) -> dict[str, str] | None:
        return dict(self.kept)

    def enter(self, entries: Sequence[Entry]) -> list[Written]:
        if self.fails:
            raise BrokerUnavailable("away")
        self.enters += 1
        written = []
        for entry in entries:
            if self.kept.get(entry.name) != entry.before:
                written.append(Written(False, self.kept.get(entry.name)))
            elif entry.postings and entry.name == self.refuses:
                written.append(Written(False, entry.before, "the queue is full"))
            else:
                self.kept[entry.name] = entry.after
                self.sent += entry.postings
                written.append(Written(True, entry.after))
        return written

    def wait(self, seconds: float, _wake_fd: int) -> list[Delivery]:
        self.waits.append(seconds)
        orders, self.orders = self.orders, []
        if not orders:
            self.time += round(seconds * 1000)
        return orders

    def done(self, orders: Sequence[Delivery]) -> None: ...

    def is_empty(self, _queue: str) -> bool:
        return self.empty

    def close(self) -> None: ...

    @property
    def ids(self) -> list[str]:
        return [posting.message.headers["id"] for posting in self.sent]


def hourly(name: str = "hourly", **more: Any) -> ScheduleSpec:
    return ScheduleSpec(name, f"shop.{name}", cron="0 * * * *", **more)


def planned(*schedules: ScheduleSpec) -> Plan:
    return Plan("shop", {each.name: each for each in schedules}, Messages("shop", ROUTING, "fleet.toml"))


def running(book: MemoryBook, folder: Path, *schedules: ScheduleSpec) -> Scheduler:
    scheduler = Scheduler(planned(*schedules), book, Log(), KnownFile(folder / "known.json"))
    scheduler.connect()
    return scheduler


def until(scheduler: Scheduler, book: MemoryBook, moment: int) -> int:
    """How many steps it takes."""
    steps = 0
    while book.time < moment:
        scheduler.step(-1)
        scheduler.tell()
        steps += 1
        assert steps < 5000, "it spins"
    return steps


def test_ten_thousand_schedules_at_rest_wake_as_seldom_as_one(tmp_path: Path) -> None:
    counts = []
    for many in (1, 10_000):
        book = MemoryBook()
        schedules = [
            ScheduleSpec(f"s{n}", "shop.x", cron=f"{n % 60} {n // 60 % 24} {n // 1440 + 1} 6 *")
            for n in range(many)
        ]
        scheduler = running(book, tmp_path, *schedules)
        enters = book.enters
        counts.append((until(scheduler, book, NOW + 10 * MINUTE), book.enters - enters))
        assert max(book.waits) <= LONGEST_WAIT_SECONDS
    assert counts[0] == counts[1]
    steps, enters = counts[1]
    assert steps <= 10 * MINUTE / 1000 / LONGEST_WAIT_SECONDS + 3
    assert enters <= 11, "the note that somebody is alive, once a minute"


def test_it_wakes_at_the_moment_and_sends_in_one_step(tmp_path: Path) -> None:
    book = MemoryBook(time=NOW + 59 * MINUTE + 58 * SECOND)
    scheduler = running(book, tmp_path, hourly("one"), hourly("two"))
    assert until(scheduler, book, NOW + HOUR) == 2, "one to find out what comes next"
    assert book.time == NOW + HOUR, "it waited until then and no longer"
    assert book.ids == [run_id("shop", name, NOW + HOUR) for name in ("one", "two")]
    assert book.sent[0].message.headers["task"] == "shop.one"
    assert json.loads(book.sent[0].message.headers["x-fleet-schedule"])["name"] == "one"


def test_what_the_broker_refuses_is_tried_again_and_holds_up_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = MemoryBook(time=NOW + 59 * MINUTE, refuses="one")
    scheduler = running(book, tmp_path, hourly("one"), hourly("two"))
    until(scheduler, book, NOW + HOUR + 10 * SECOND)
    assert book.ids == [run_id("shop", "two", NOW + HOUR)]
    assert capsys.readouterr().err.count("the queue is full") == 1, "told once"
    book.refuses = ""
    until(scheduler, book, NOW + HOUR + 20 * SECOND)
    assert book.ids[1:] == [run_id("shop", "one", NOW + HOUR)]


def test_what_can_not_be_routed_is_told_and_waits_for_a_better_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    book = MemoryBook(time=NOW + 59 * MINUTE)
    lost = ScheduleSpec("lost", "other.task", cron="0 * * * *")
    scheduler = running(book, tmp_path, lost, hourly())
    until(scheduler, book, NOW + HOUR + 40 * SECOND)
    assert book.ids == [run_id("shop", "hourly", NOW + HOUR)]
    assert "no rule takes task 'other.task'" in capsys.readouterr().err
    scheduler.adopt(planned(replace(lost, queue="q"), hourly()))
    until(scheduler, book, NOW + HOUR + 2 * MINUTE)
    assert run_id("shop", "lost", NOW + HOUR) in book.ids, "the run is not forgotten over that"


def test_an_outage_forgets_nothing(tmp_path: Path) -> None:
    book = MemoryBook(time=NOW + 59 * MINUTE)
    scheduler = running(book, tmp_path, hourly(catch_up="all"))
    book.fails = True
    with pytest.raises(BrokerUnavailable):
        until(scheduler, book, NOW + HOUR + MINUTE)
    book.fails, book.time = False, NOW + 3 * HOUR
    scheduler.connect()
    scheduler.step(-1)
    assert book.ids == [run_id("shop", "hourly", NOW + n * HOUR) for n in (1, 2, 3)]


def test_an_edit_keeps_the_last_run_and_a_removed_schedule_misses_nothing(tmp_path: Path) -> None:
    book = MemoryBook(time=NOW + 59 * MINUTE)
    scheduler = running(book, tmp_path, hourly())
    until(scheduler, book, NOW + HOUR + MINUTE)
    scheduler.adopt(planned(replace(hourly(), args=(1,))))
    assert scheduler.shown()["schedules"]["hourly"]["last"] == NOW + HOUR
    scheduler.adopt(planned())
    book.time = NOW + 5 * HOUR + MINUTE
    scheduler.adopt(planned(hourly()))
    scheduler.step(-1)
    assert book.ids == [run_id("shop", "hourly", NOW + HOUR)]
    until(scheduler, book, NOW + 6 * HOUR + SECOND)
    assert book.ids[1:] == [run_id("shop", "hourly", NOW + 6 * HOUR)]


def test_a_run_that_is_nowhere_any_more_does_not_hold_up_the_next(tmp_path: Path) -> None:
    book = MemoryBook(time=NOW + 59 * MINUTE)
    scheduler = running(book, tmp_path, hourly(overlap="skip"))
    until(scheduler, book, NOW + 2 * HOUR + SECOND)
    assert book.ids == [run_id("shop", "hourly", NOW + HOUR)], "the second was left out"
    book.empty = True
    until(scheduler, book, NOW + 3 * HOUR + SECOND)
    assert book.ids[1:] == [run_id("shop", "hourly", NOW + 3 * HOUR)]


def test_orders_pause_resume_and_tell_the_end(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    book = MemoryBook(time=NOW + 59 * MINUTE)
    scheduler = running(book, tmp_path, hourly())
    until(scheduler, book, NOW + HOUR + SECOND)
    end = {
        "id": book.ids[0],
        "moment": NOW + HOUR,
        "outcome": "succeeded",
        "at": NOW + HOUR + 5,
        "seconds": 0.5,
    }

    def tell(*bodies: bytes) -> None:
        book.orders = [Delivery(n, "orders", body) for n, body in enumerate(bodies)]
        scheduler.step(-1)

    tell(
        order("ended", "hourly", **end),
        order("pause", "hourly", by="ann"),
        b"nonsense",
        order("dance", "hourly"),
    )
    said = scheduler.shown()["schedules"]["hourly"]
    assert (said["end"]["outcome"], said["end"]["seconds"]) == ("succeeded", 0.5)
    assert said["pause"]["by"] == "ann"
    assert "an order that can't be read" in capsys.readouterr().err
    until(scheduler, book, NOW + 3 * HOUR + MINUTE)
    assert len(book.ids) == 1
    tell(order("resume", "hourly", by="ann"))
    until(scheduler, book, NOW + 4 * HOUR + MINUTE)
    assert book.ids[1:] == [run_id("shop", "hourly", NOW + 4 * HOUR)]


def test_the_file_of_what_is_known_is_written_when_something_changes(tmp_path: Path) -> None:
    book = MemoryBook(time=NOW + 59 * MINUTE)
    scheduler = running(book, tmp_path, hourly())
    scheduler.step(-1)
    scheduler.tell()
    known = json.loads((tmp_path / "known.json").read_text())
    assert known["leads"] is True
    assert known["schedules"]["hourly"]["next"] == NOW + HOUR
    assert (tmp_path / "known.json").stat().st_mode & 0o777 == 0o600
    assert ALIVE not in known["schedules"]


class HeldBook(MemoryBook):
    """Another scheduler has the schedules, as RabbitMQ lets one have them."""

    def notes(self) -> None:
        return None


def test_a_scheduler_that_waits_for_another_one_tells_so_at_once(tmp_path: Path) -> None:
    """The file may have been written by one that led, and was killed; or in an outage that is over."""
    (tmp_path / "known.json").write_text('{"leads": true, "error": "the broker is away"}')
    scheduler = running(HeldBook(), tmp_path, hourly())
    scheduler.step(-1)
    scheduler.tell()
    known = json.loads((tmp_path / "known.json").read_text())
    assert (known["leads"], known["error"]) == (False, None)
