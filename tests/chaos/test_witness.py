"""The judge where RabbitMQ's wire was watched: a repetition is excused by what befell its own delivery."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.journal import Reading
from tests.chaos.messages import Work
from tests.chaos.names import DEAD
from tests.chaos.strikes import Strike
from tests.chaos.undone import Habits
from tests.chaos.verdict import Verdict, judge
from tests.chaos.wire import Connection, Delivery, Publication, Wire
from tests.chaos.witness import ByWire

TWICE = ("s 0 7.0 10", "e 0 7.0 12", "s 0 8.0 20", "e 0 8.0 21")


class Seen:
    """One message on the wire: sent at 1, `given` to workers, `handed_on` by them."""

    def __init__(self, *strikes: Strike, habits: Habits | None = None) -> None:
        self.strikes = list(strikes)
        self.habits = habits or Habits()
        self.wire = Wire()
        sender = Connection("fleet producer, pid 5")
        self.wire.publications[0].append(Publication(0, sender, 1.0, "ack"))

    def given(
        self,
        connection: Connection,
        at: float,
        how: str = "",
        settled: float | None = None,
        handed_on: float | None = None,
    ) -> Seen:
        self.wire.deliveries[0].append(Delivery(0, connection, at, settled, how))
        if handed_on is not None:
            self.wire.publications[0].append(Publication(0, connection, handed_on, "ack"))
        return self

    def judged(self, folder: Path, *lines: str, work: Work | None = None) -> Verdict:
        (folder / "journal").write_text("".join(f"{line}\n" for line in lines))
        reading = Reading(folder / "journal").read()
        excuses = ByWire(reading, self.strikes, self.wire, self.habits)
        return judge(work or Work(1, 1, 0.01, 100.0), reading, self.strikes, excuses)


def worker(pid: int, ended: float | None = None, by: str = "") -> Connection:
    return Connection(f"w/0@host:{pid}/token", ended, by)


CUT = Strike("cut", 11, 11.1)


def test_a_cut_explains_what_its_connection_had_brought(tmp_path: Path) -> None:
    seen = Seen(CUT).given(worker(7, 11.0, "cut"), 9).given(worker(8), 19, "ack", 21.1)
    found = seen.judged(tmp_path, *TWICE)
    assert found.is_good
    assert found.by_kind["cut"].repeated == 1


def test_a_cut_of_another_connection_explains_nothing(tmp_path: Path) -> None:
    seen = Seen(CUT).given(worker(7), 9, "requeue", 12.1).given(worker(8), 19, "ack", 21.1)
    assert seen.judged(tmp_path, *TWICE).unexplained == [0]


def test_what_was_given_back_though_done_is_unexplained_whatever_breaks_then(tmp_path: Path) -> None:
    seen = Seen(Strike("cut", 12.2, 12.3)).given(worker(7, 12.2, "cut"), 9, "requeue", 12.1)
    seen.given(worker(8), 19, "ack", 21.1)
    assert seen.judged(tmp_path, *TWICE).unexplained == [0]


@pytest.mark.parametrize(("acked", "good"), [(10.5, True), (9.5, False)])
def test_an_ack_just_before_the_cut_may_not_have_been_read(acked: float, good: bool, tmp_path: Path) -> None:
    seen = Seen(CUT).given(worker(7, 11.0, "cut"), 9, "ack", acked).given(worker(8), 19, "ack", 21.1)
    lines = ("s 0 7.0 9.1", "e 0 7.0 9.2", *TWICE[2:])
    assert seen.judged(tmp_path, *lines).is_good is good


def test_a_connection_that_its_worker_ends_for_no_reason_explains_nothing(tmp_path: Path) -> None:
    seen = Seen(Strike("full", 11, 12)).given(worker(7, 11.5, "client"), 9).given(worker(8), 19, "ack", 21.1)
    assert seen.judged(tmp_path, *TWICE).unexplained == [0]


@pytest.mark.parametrize(("lasted", "good"), [(1.0, False), (20.0, True)])
def test_a_freeze_breaks_connections_when_heartbeats_are_missed(
    lasted: float, good: bool, tmp_path: Path
) -> None:
    frozen = Strike("freeze", 11, 11 + lasted)
    seen = Seen(frozen).given(worker(7, 11 + lasted, "client"), 9).given(worker(8), 40, "ack", 41.2)
    assert seen.judged(tmp_path, *TWICE[:2], "s 0 8.0 41", "e 0 8.0 41.1").is_good is good


def test_a_silent_connection_lets_its_worker_go_on_for_a_while(tmp_path: Path) -> None:
    silent = Strike("half_open", 5, 5)
    seen = Seen(silent).given(worker(7, 5.0, "half_open"), 4).given(worker(8), 19, "ack", 21.1)
    assert seen.judged(tmp_path, *TWICE).is_good


@pytest.mark.parametrize(
    ("acked", "kind", "forgets", "good"),
    [
        (12.1, "crash", True, True),
        (12.1, "crash", False, False),  # a quorum queue
        (12.1, "restart", True, False),  # in good order it forgets nothing
        (3.0, "crash", True, False),  # on disk for long
    ],
)
def test_a_killed_rabbitmq_forgets_the_last_acks(
    acked: float, kind: str, forgets: bool, good: bool, tmp_path: Path
) -> None:
    seen = Seen(Strike(kind, 15, 16), habits=Habits(forgets=forgets))
    seen.given(worker(7, 15.0, "broker"), 2, "ack", acked).given(worker(8), 19, "ack", 21.1)
    ran = f"{acked - 0.5}"
    lines = (f"s 0 7.0 {ran}", f"e 0 7.0 {acked - 0.1}", *TWICE[2:])
    assert seen.judged(tmp_path, *lines).is_good is good


def test_what_comes_again_came_after_the_fault(tmp_path: Path) -> None:
    """Both had ended when it struck: the first must have been done again for another reason."""
    seen = Seen(Strike("cut", 21.2, 21.3)).given(worker(7), 9, "requeue", 12.1)
    seen.given(worker(8, 21.2, "cut"), 19, "ack", 21.1)
    assert seen.judged(tmp_path, *TWICE).unexplained == [0]


DOUBLED = ("s 0 7.0 20", "e 0 7.0 21", "s 0 8.0 20", "e 0 8.0 21")


def test_what_was_being_handed_on_when_its_connection_broke_is_there_twice(tmp_path: Path) -> None:
    seen = Seen(CUT).given(worker(7, 11.0, "cut"), 9, handed_on=10.9)
    seen.given(worker(7), 19, "ack", 21.1).given(worker(8), 19, "ack", 21.1)
    assert seen.judged(tmp_path, *DOUBLED).is_good
    assert seen.judged(tmp_path, *DOUBLED, "s 0 8.1 30", "e 0 8.1 31").unexplained == [0], "but not thrice"


def test_what_was_handed_on_and_acked_is_there_twice_only_if_it_comes_twice(tmp_path: Path) -> None:
    def seen() -> Seen:
        return Seen(CUT).given(worker(7, 11.0, "cut"), 9, "ack", 10.95, handed_on=10.9)

    twice = seen().given(worker(7), 19, "ack", 21.1).given(worker(8), 19.1, "ack", 21.1)
    assert twice.judged(tmp_path, *DOUBLED).is_good
    once = seen().given(worker(7), 19, "requeue", 21.1).given(worker(8), 21.2, "ack", 23.1)
    lines = (*DOUBLED[:2], "s 0 8.0 22", "e 0 8.0 23")
    assert once.judged(tmp_path, *lines).unexplained == [0]


def test_a_killed_pool_process_explains_what_its_worker_gives_back(tmp_path: Path) -> None:
    killed = Strike("child", 11, 11.1, frozenset({71}))
    seen = Seen(killed).given(worker(7), 9, "requeue", 11.2).given(worker(8), 19, "ack", 21.1)
    lines = ("w 71 70 7", "w 8 2 1", "s 0 71.0 10", *TWICE[2:])
    assert seen.judged(tmp_path, *lines).is_good


@pytest.mark.parametrize(("closes", "good"), [(5.0, True), (None, False)])
def test_a_channel_that_rabbitmq_closes_is_explained_by_a_short_consumer_timeout(
    closes: float | None, good: bool, tmp_path: Path
) -> None:
    seen = Seen(habits=Habits(closes_after=closes)).given(worker(7), 9, "closed", 12.5)
    assert seen.given(worker(8), 19, "ack", 21.1).judged(tmp_path, *TWICE).is_good is good


def test_a_publisher_that_brought_it_twice_explains_a_copy(tmp_path: Path) -> None:
    seen = Seen().given(worker(7), 9, "ack", 12.1).given(worker(8), 19, "ack", 21.1)
    seen.wire.publications[0].append(Publication(0, Connection("fleet producer, pid 5"), 2.0, "nack"))
    assert seen.judged(tmp_path, *TWICE).unexplained == [0], "refused, it brought none"
    seen.wire.publications[0].append(Publication(0, Connection("fleet producer, pid 5"), 2.1, "ack"))
    assert seen.judged(tmp_path, *TWICE).copies == 1


def judge_of(seen: Seen, folder: Path) -> ByWire:
    return ByWire(Reading(folder / "journal"), seen.strikes, seen.wire, seen.habits)


def test_what_is_published_again_and_kept_has_multiplied(tmp_path: Path) -> None:
    kept = Seen(Strike("full_dead", 11, 12)).given(worker(7, 12.0, "client"), 9, handed_on=10)
    assert judge_of(kept, tmp_path).multiplied() == [0]
    cut = Seen(CUT).given(worker(7, 11.0, "cut"), 9, handed_on=10)
    assert judge_of(cut, tmp_path).multiplied() == []
    acked = Seen().given(worker(7), 9, "ack", 10.1, handed_on=10)
    assert judge_of(acked, tmp_path).multiplied() == []


def test_the_broker_may_hold_what_was_brought_and_what_is_being_handed_on(tmp_path: Path) -> None:
    seen = Seen().given(worker(7), 9, "ack", 10.1, handed_on=10)
    assert judge_of(seen, tmp_path).most_held() == 2  # one that is on its way
    seen.given(worker(7), 11, handed_on=12)
    assert judge_of(seen, tmp_path).most_held() == 3


def test_a_dead_letter_whose_ack_went_down_is_done_again_and_dies_again(tmp_path: Path) -> None:
    """What it was handed on as does not come back."""
    seen = Seen(Strike("crash", 15, 16)).given(worker(7, 15.0, "broker"), 9, "ack", 12.1, handed_on=12.05)
    seen.given(worker(8), 19, "ack", 21.1, handed_on=21.05)
    for publication in seen.wire.publications[0][1:]:
        publication.into = DEAD
    assert seen.judged(tmp_path, *TWICE).is_good


def test_what_was_handed_on_by_another_connection_after_its_own_had_broken_is_there_twice(
    tmp_path: Path,
) -> None:
    """And it had been done before, by a worker whose connection broke under it."""
    first, cut = Strike("crash", 5, 6), Strike("cut", 11, 11.1)
    seen = Seen(first, cut).given(worker(6, 5.0, "broker"), 4).given(worker(7, 11.0, "cut"), 9)
    publishes = Connection("w/0@host:7/token publishes")
    seen.wire.publications[0].append(Publication(0, publishes, 11.01, "ack"))
    seen.given(worker(7), 19, "ack", 21.1).given(worker(8), 19, "ack", 21.1)
    assert seen.judged(tmp_path, "s 0 6.0 4.5", "e 0 6.0 5.5", *DOUBLED).is_good


def test_both_copies_of_what_asks_for_a_retry_are_done_twice(tmp_path: Path) -> None:
    seen = Seen(CUT).given(worker(7, 11.0, "cut"), 9, handed_on=10.9)
    for at in (19, 22):
        for pid in (7, 8):
            seen.given(worker(pid), at, "ack", at + 2.1, handed_on=at + 2 if at == 19 else None)
    lines = ["s 1 7.0 20", "r 1 7.0 21", "s 1 8.0 20", "r 1 8.0 21", "s 1 7.1 22.5", "e 1 7.1 23"]
    lines += ["s 1 8.1 22.5", "e 1 8.1 23"]
    for records in (seen.wire.deliveries, seen.wire.publications):
        records[1] = records.pop(0)
    work = Work(2, 1, 0.01, 100.0, again_every=40)
    assert seen.judged(tmp_path, "s 0 5.0 1", "e 0 5.0 2", *lines, work=work).is_good
    lines += ["s 1 8.2 30", "e 1 8.2 31"]
    assert seen.judged(tmp_path, "s 0 5.0 1", "e 0 5.0 2", *lines, work=work).unexplained == [1]


def test_a_retry_that_was_confirmed_just_before_a_kill_leaves_the_whole_to_be_done_again(
    tmp_path: Path,
) -> None:
    seen = Seen(Strike("crash", 15, 16)).given(worker(7, 15.0, "broker"), 9, handed_on=13)
    seen.given(worker(7), 14, "ack", 14.9).given(worker(8), 19, "ack", 21.1, handed_on=21.05)
    seen.given(worker(8), 22, "ack", 24)
    for records in (seen.wire.deliveries, seen.wire.publications):
        records[1] = records.pop(0)
    lines = ["s 1 7.0 10", "r 1 7.0 12", "s 1 7.1 14.1", "e 1 7.1 14.8", "s 1 8.0 20", "r 1 8.0 21"]
    lines += ["s 1 8.1 22.5", "e 1 8.1 23"]
    work = Work(2, 1, 0.01, 100.0, again_every=40)
    assert seen.judged(tmp_path, "s 0 5.0 1", "e 0 5.0 2", *lines, work=work).is_good
    lines += ["s 1 8.2 30", "e 1 8.2 31"]
    assert seen.judged(tmp_path, "s 0 5.0 1", "e 0 5.0 2", *lines, work=work).unexplained == [1]
