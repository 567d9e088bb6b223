"""Two schedulers on one book in memory: no run is lost over what the other host says, and what it does is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fleet.broker.delivery import Delivery
from fleet.broker.notes import Entry, Written
from fleet.launch_specs import ScheduleSpec
from fleet.scheduler.loop import LONGEST_WAIT_SECONDS, Scheduler
from fleet.scheduler.remembered import Remembered
from fleet.schedules.due import run_id
from fleet.schedules.moments import MINUTE, SECOND
from fleet.schedules.notes import Note
from fleet.schedules.orders import order
from tests.unit.scheduler.test_loop import HOUR, NOW, MemoryBook, at_once, hourly, planned, running

__all__ = ["at_once"]


class SharedBook(MemoryBook):
    """What one host has of a book that another one has as well. Its time is that of the book."""

    def __init__(self, shared: MemoryBook) -> None:
        super().__init__()
        self.shared = shared

    def now(self) -> int:
        return self.shared.time

    def notes(self) -> dict[str, str] | None:
        return self.shared.notes()

    def enter(self, entries: Sequence[Entry]) -> list[Written]:
        return self.shared.enter(entries)

    def wait(self, seconds: float, _wake_fd: int) -> list[Delivery]:
        self.waits.append(seconds)
        orders, self.orders = self.orders, []
        return orders


class Hosts:
    """They look in turns, the one or the other first, whenever one of them would."""

    def __init__(self, folder: Path, *files: Sequence[ScheduleSpec]) -> None:
        self.shared = MemoryBook(time=NOW + MINUTE)
        self.books = [SharedBook(self.shared) for _ in files]
        self.hosts: list[Scheduler] = []
        for number, (book, file) in enumerate(zip(self.books, files, strict=True)):
            (folder / str(number)).mkdir()
            self.hosts.append(running(book, folder / str(number), *file))
        self.alive = set(range(len(files)))

    def until(self, moment: int) -> None:
        rounds = 0
        while self.shared.time < moment:
            turns = sorted(self.alive, reverse=bool(rounds % 2))
            for number in turns:
                self.hosts[number].step(-1)
                self.hosts[number].tell()
            waits = [self.books[number].waits[-1] for number in turns]
            self.shared.time += max(1, round(min([*waits, LONGEST_WAIT_SECONDS]) * 1000))
            rounds += 1
            assert rounds < 20_000, "it spins"

    def hear(self, number: int, do: str, name: str, **more: Any) -> None:
        """Of orders one host hears each."""
        self.books[number].orders = [Delivery(1, "orders", order(do, name, **more))]
        self.hosts[number].step(-1)

    def shown(self, number: int, name: str) -> Any:
        return self.hosts[number].shown()["schedules"][name]

    def sent(self, name: str, moments: Sequence[int]) -> bool:
        return all(self.shared.ids.count(run_id("shop", name, each)) == 1 for each in moments)


def every(name: str, seconds: float, **more: Any) -> ScheduleSpec:
    return ScheduleSpec(name, f"shop.{name}", every_seconds=seconds, **more)


def of(seconds: int, until: int) -> list[int]:
    """From the first one on that is due after the hosts have been started."""
    return list(range(NOW + MINUTE + seconds * SECOND, until, seconds * SECOND))


def test_a_schedule_that_only_one_host_has_yet_loses_no_run(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path, [every("new", 20), every("old", 30)], [every("old", 30)])
    hosts.until(NOW + 5 * MINUTE)
    hosts.hosts[1].adopt(planned(every("old", 30), every("more", 30)))
    hosts.until(NOW + 10 * MINUTE)
    end = NOW + 10 * MINUTE - SECOND
    assert hosts.sent("new", of(20, end))
    assert hosts.sent("old", of(30, end))
    assert len(set(hosts.shared.ids)) == len(hosts.shared.ids)


def test_a_timing_that_is_edited_on_one_host_first_loses_no_run_of_either(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path, [every("x", 20)], [every("x", 30)])
    hosts.until(NOW + 10 * MINUTE)
    end = NOW + 10 * MINUTE - SECOND
    assert hosts.sent("x", sorted({*of(20, end), *of(30, end)}))
    assert len(set(hosts.shared.ids)) == len(hosts.shared.ids)


def test_what_one_host_has_disabled_the_other_goes_on_with(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path, [every("x", 20)], [every("x", 20)])
    hosts.until(NOW + 3 * MINUTE)
    hosts.hosts[1].adopt(planned(every("x", 20, enabled=False)))
    hosts.until(NOW + 6 * MINUTE)
    assert hosts.sent("x", of(20, NOW + 6 * MINUTE - SECOND))
    hosts.hosts[0].adopt(planned(every("x", 20, enabled=False)))
    hosts.until(NOW + 20 * MINUTE)
    count = len(hosts.shared.ids)
    hosts.hosts[0].adopt(planned(every("x", 20)))
    hosts.until(NOW + 20 * MINUTE + 10 * SECOND)
    assert len(hosts.shared.ids) == count, "what came due while it was off is not caught up"


def test_a_broker_that_loses_its_notes_costs_no_run(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path, [hourly()])
    hosts.until(NOW + HOUR - MINUTE)
    hosts.shared.kept.clear()
    hosts.until(NOW + HOUR + MINUTE)
    assert hosts.sent("hourly", [NOW + HOUR])


@pytest.mark.parametrize("hears", [(0, 1), (1, 0), (0, 0)])
def test_whoever_heard_of_the_pause_and_of_its_end_the_other_goes_on_when_that_one_dies(
    tmp_path: Path, hears: tuple[int, int]
) -> None:
    hosts = Hosts(tmp_path, [every("x", 20)], [every("x", 20)])
    hosts.until(NOW + 2 * MINUTE + SECOND)
    hosts.hear(hears[0], "pause", "x", by="ann")
    hosts.until(NOW + 5 * MINUTE)
    assert hosts.shared.ids == [run_id("shop", "x", NOW + 80 * SECOND + each) for each in (0, 20_000, 40_000)]
    assert [hosts.shown(number, "x")["pause"]["by"] for number in (0, 1)] == ["ann", "ann"]
    hosts.hear(hears[1], "resume", "x")
    hosts.alive = {1 - hears[1]}
    hosts.until(NOW + 7 * MINUTE)
    assert hosts.sent("x", range(NOW + 5 * MINUTE + 20 * SECOND, NOW + 7 * MINUTE - SECOND, 20 * SECOND))
    assert len(set(hosts.shared.ids)) == len(hosts.shared.ids)


def test_both_hosts_tell_of_a_pause_and_of_how_a_run_ended_and_how_late_it_was(tmp_path: Path) -> None:
    hosts = Hosts(tmp_path, [hourly()], [hourly()])
    hosts.until(NOW + HOUR + SECOND)
    end = {"id": hosts.shared.ids[0], "moment": NOW + HOUR, "outcome": "succeeded", "at": NOW + HOUR + 5}
    hosts.hear(0, "ended", "hourly", **end)
    hosts.hear(1, "pause", "hourly", by="ann")
    hosts.until(NOW + HOUR + 30 * SECOND)
    for number in (0, 1):
        said = hosts.shown(number, "hourly")
        assert said["end"]["outcome"] == "succeeded"
        assert said["pause"]["by"] == "ann"
        assert said["next"] is None
        assert said["late"] == 0


def test_a_run_that_can_not_be_made_is_late_until_it_is_sent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lost = ScheduleSpec("lost", "other.task", cron="0 * * * *")
    hosts = Hosts(tmp_path, [lost])
    hosts.until(NOW + HOUR + 5 * MINUTE)
    said = hosts.shown(0, "lost")
    assert said["next"] == NOW + HOUR, "it is still due"
    assert "no rule takes task" in said["error"]
    hosts.hosts[0].adopt(planned(replace(lost, queue="q")))
    hosts.until(NOW + HOUR + 6 * MINUTE)
    said = hosts.shown(0, "lost")
    assert (said["next"], said["error"]) == (NOW + 2 * HOUR, None)
    hosts.hosts[0].adopt(planned(lost))
    hosts.until(NOW + 2 * HOUR + 5 * MINUTE)
    assert capsys.readouterr().err.count("no rule takes task") == 2, "once for each time that it is so"


def test_what_others_have_changed_is_told_and_what_can_not_be_read_is_no_note() -> None:
    kept, note = Remembered(), Note("every 1000", NOW)
    kept.begin({"": "{}", "same": note.to_json(), "gone": note.to_json(), "odd": note.to_json()})
    assert kept.look_again({"": "{1}", "same": note.to_json(), "odd": "?", "new": note.to_json()}) == {
        "gone",
        "odd",
        "new",
    }
    assert kept.notes == {"same": note, "new": note}
    assert kept.texts["odd"] == "?", "by which it is written anew"
