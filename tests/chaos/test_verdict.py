"""The judge by journals alone (Redis, SQLite), made up for it: it must not excuse what no fault explains."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.excuses import ByJournal, hits_leases
from tests.chaos.journal import Reading
from tests.chaos.messages import Work
from tests.chaos.strikes import Strike
from tests.chaos.verdict import Verdict, judge, judge_dead

SENT = "p 0 1 1.0 1.1"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def verdict(
    journal: Path, *lines: str, strikes: tuple[Strike, ...] = (), work: Work | None = None
) -> Verdict:
    journal.write_text("".join(f"{line}\n" for line in lines))
    reading = Reading(journal).read()
    work = work or Work(1, 1, 0.01, 100.0)
    return judge(work, reading, list(strikes), ByJournal(reading, list(strikes), hits_leases(10.0)))


def test_a_message_that_was_done_once_is_judged_good(journal: Path) -> None:
    assert verdict(journal, SENT, "s 0 7.0 2", "e 0 7.0 3").is_good


def test_what_has_started_is_not_done(journal: Path) -> None:
    found = verdict(journal, SENT, "s 0 7.0 2")
    assert found.lost == [0]
    assert not found.is_good


def test_the_evidence_says_what_befell_it_and_when(journal: Path) -> None:
    found = verdict(journal, SENT, "s 0 7.0 2", strikes=(Strike("cut", 1.5, 2.5),))
    assert found.evidence == ["cut: 0.500 to 1.500", "0: sent 0.000 to 0.100 (1); ran 1.000 to … in 7"]
    assert not verdict(journal, SENT, "s 0 7.0 2", "e 0 7.0 3").evidence


TWICE = (SENT, "s 0 7.0 10", "e 0 7.0 12", "s 0 8.0 13", "e 0 8.0 14")


def test_a_second_execution_without_a_fault_is_unexplained(journal: Path) -> None:
    found = verdict(journal, *TWICE)
    assert found.unexplained == [0]
    assert not found.is_good


def test_a_killed_process_explains_what_it_ran(journal: Path) -> None:
    found = verdict(journal, *TWICE, strikes=(Strike("worker", 11, 11.1, frozenset({7})),))
    assert found.is_good
    assert (found.repeated, found.by_kind["worker"].at_risk) == (1, 1)


@pytest.mark.parametrize(
    "strike",
    [
        Strike("worker", 11, 11.1, frozenset({9})),  # another one
        Strike("worker", 20, 20.1, frozenset({7})),  # long after it had ended
        Strike("worker", 12.5, 12.6, frozenset({7})),  # ended, and its ack is still to be made: see below
        Strike("up", 11, 11.1, frozenset({5})),  # its workers drain
        Strike("replicas", 11, 11.1),
        Strike("cut", 11, 11.1),  # leases outlive connections
        Strike("readonly", 11, 13),
        Strike("oom", 11, 13),
    ],
    ids=lambda strike: f"{strike.kind} at {strike.began}",
)
def test_a_fault_that_did_not_hit_it_explains_nothing(journal: Path, strike: Strike) -> None:
    lines = (*TWICE[:3], "s 0 8.0 12.1", "e 0 8.0 14") if strike.began == 12.5 else TWICE
    assert verdict(journal, *lines, strikes=(strike,)).unexplained == [0]


def test_one_fault_explains_one_repetition(journal: Path) -> None:
    killed = Strike("worker", 11, 11.1, frozenset({7}))
    assert not verdict(journal, *TWICE, "s 0 9.0 15", "e 0 9.0 16", strikes=(killed,)).is_good


@pytest.mark.parametrize(
    ("strikes", "good"),
    [
        ((Strike("refuse", 11.9, 12.6), Strike("half_open", 12.6, 12.6)), True),
        ((Strike("readonly", 11.9, 13.6),), True),
        ((Strike("refuse", 11.9, 12.6),), False),  # connected again by then
        ((Strike("half_open", 13.5, 13.5),), False),  # begun when it was settled
        ((Strike("half_open", -15, -15),), False),  # long noticed
        ((Strike("comment", 11.9, 12.6),), False),  # no trouble with the broker
    ],
)
def test_an_ack_that_trouble_holds_up_goes_down_with_its_worker(
    journal: Path, strikes: tuple[Strike, ...], good: bool
) -> None:
    killed = Strike("worker", 15, 15, frozenset({7}))
    lines = (*TWICE[:3], "s 0 8.0 16", "e 0 8.0 17")
    assert verdict(journal, *lines, strikes=(*strikes, killed)).is_good is good


def test_trouble_that_outlasts_leases_explains_what_they_held(journal: Path) -> None:
    assert verdict(journal, *TWICE, strikes=(Strike("refuse", 11, 26),)).is_good


def test_a_send_that_was_repeated_explains_a_copy(journal: Path) -> None:
    found = verdict(journal, "p 0 2 1.0 1.1", *TWICE[1:])
    assert found.is_good
    assert (found.copies, found.repeated) == (1, 0)


def test_a_send_beside_trouble_may_have_been_repeated_unseen(journal: Path) -> None:
    assert verdict(journal, *TWICE, strikes=(Strike("cut", 1.05, 1.06),)).copies == 1


def test_trouble_before_the_send_before_it_explains_no_copy(journal: Path) -> None:
    lines = ("p 1 1 0.5 0.9", *TWICE)
    assert verdict(journal, *lines, strikes=(Strike("half_open", 0.6, 0.6),)).unexplained == [0]


def test_a_message_that_asks_for_a_retry_is_done_twice_and_no_more(journal: Path) -> None:
    again = Work(2, 1, 0.01, 100.0, again_every=40)
    lines = ("s 0 7.0 2", "e 0 7.0 3", "s 1 7.1 2", "r 1 7.1 3", "s 1 7.2 4", "e 1 7.2 5")
    assert verdict(journal, *lines, work=again).is_good
    assert verdict(journal, *lines, "s 1 7.3 6", "e 1 7.3 7", work=again).unexplained == [1]
    assert verdict(journal, *lines[:4], work=again).lost == [1]


def test_dead_letters_are_those_that_failed_each_once(journal: Path) -> None:
    journal.write_text("s 4 7.0 2\ne 4 7.0 3\ns 5 7.0 2\ne 5 7.0 3\n")
    reading = Reading(journal).read()
    assert judge_dead({4, 5}, [5, 4], reading) == []
    assert judge_dead({4, 5}, [4], reading) == ["1 dead letters lost: 5"]
    assert judge_dead({4}, [4, 5], reading) == ["1 dead letters of messages that had not failed: 5"]
    assert judge_dead({4, 5}, [4, 4, 5], reading) == ["1 have more dead letters than they were done: 4"]


def test_the_longest_pause_is_between_ends(journal: Path) -> None:
    assert verdict(journal, *TWICE).longest_pause == 2
