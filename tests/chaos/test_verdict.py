"""The judge, by journals made up for it: it must not excuse what no fault explains."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.journal import Reading
from tests.chaos.verdict import Strike, Verdict, hits_in_fleet, judge

SENT = "p 0 1 1.0 1.1"


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    return tmp_path / "journal"


def verdict(journal: Path, *lines: str, broker: str = "redis", strikes: tuple[Strike, ...] = ()) -> Verdict:
    journal.write_text("".join(f"{line}\n" for line in lines))
    return judge(1, Reading(journal).read(), list(strikes), hits_in_fleet(broker, 10.0))


def test_done_once_is_good(journal: Path) -> None:
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


def test_a_second_time_needs_a_reason(journal: Path) -> None:
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
        Strike("up", 11, 11.1, frozenset({5})),  # its workers drain
        Strike("replicas", 11, 11.1),
        Strike("cut", 11, 11.1),  # leases outlive connections
    ],
    ids=lambda strike: strike.kind,
)
def test_other_faults_explain_nothing(journal: Path, strike: Strike) -> None:
    assert verdict(journal, *TWICE, strikes=(strike,)).unexplained == [0]


def test_on_amqp_a_broken_connection_explains_what_it_had_brought(journal: Path) -> None:
    cut = Strike("cut", 11, 11.1)
    assert verdict(journal, *TWICE, broker="amqp", strikes=(cut,)).is_good
    assert not verdict(journal, *TWICE, "s 0 9.0 15", broker="amqp", strikes=(cut,)).is_good, "twice more"


BACK, KILLED = Strike("half_open", -15, -14.9), Strike("crash", 6, 7)
MOVED = Strike("replicas", 4, 4)


@pytest.mark.parametrize(
    ("broker", "strikes", "good"),
    [
        ("amqp", (BACK, KILLED), True),
        ("redis", (BACK, KILLED), False),  # acks are not forgotten there
        ("amqp", (KILLED,), False),  # nothing had come back
        ("amqp", (Strike("replicas", -20, -20), KILLED), False),  # acked for long
        ("amqp", (BACK, Strike("restart", 6, 7)), False),  # in good order it forgets nothing
        ("amqp", (BACK, Strike("crash", 11, 11.1)), True),  # hit while it ran, as any
        ("amqp", (BACK, Strike("crash", 30, 31)), False),  # long after both
        ("amqp", (MOVED, Strike("cut", 6, 6)), True),  # broken while it was given back
        ("redis", (MOVED, Strike("cut", 6, 6)), False),  # one step there
        ("amqp", (Strike("replicas", 0, 0), Strike("cut", 6, 6)), False),  # given back by then
        ("amqp", (Strike("comment", 4, 4), Strike("cut", 6, 6)), False),
        ("amqp", (MOVED, Strike("cut", 0.5, 0.5)), False),  # it was not there yet
    ],
)
def test_what_comes_back_while_rabbitmq_or_its_connections_break_may_be_there_twice(
    journal: Path, broker: str, strikes: tuple[Strike, ...], good: bool
) -> None:
    assert verdict(journal, *TWICE, broker=broker, strikes=strikes).is_good is good


def test_it_is_there_twice_at_most(journal: Path) -> None:
    thrice = (*TWICE, "s 0 8.1 15", "e 0 8.1 16")
    assert not verdict(journal, *thrice, broker="amqp", strikes=(MOVED, Strike("cut", 6, 6))).is_good


def test_a_copy_made_before_both_ran_explains_no_third(journal: Path) -> None:
    hit = Strike("refuse", 11, 11.2)
    again = (*TWICE, "s 0 8.1 30", "e 0 8.1 31")
    assert verdict(journal, *again, broker="amqp", strikes=(hit, Strike("cut", 12.6, 12.6))).is_good
    assert not verdict(journal, *again, broker="amqp", strikes=(hit, Strike("cut", 20, 20))).is_good


@pytest.mark.parametrize(
    ("strikes", "good"),
    [
        ((Strike("refuse", 11.9, 12.6), Strike("half_open", 12.6, 12.6)), True),
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
    assert verdict(journal, *TWICE, strikes=(*strikes, killed)).is_good is good


def test_trouble_that_outlasts_leases_explains_what_they_held(journal: Path) -> None:
    assert verdict(journal, *TWICE, strikes=(Strike("refuse", 11, 26),)).is_good


def test_a_send_that_was_repeated_explains_a_copy(journal: Path) -> None:
    found = verdict(journal, "p 0 2 1.0 1.1", *TWICE[1:])
    assert found.is_good
    assert (found.copies, found.repeated) == (1, 0)


def test_a_send_beside_trouble_may_have_been_repeated_unseen(journal: Path) -> None:
    assert verdict(journal, *TWICE, strikes=(Strike("cut", 1.05, 1.06),)).copies == 1


def test_the_longest_pause_is_between_ends(journal: Path) -> None:
    assert verdict(journal, *TWICE).longest_pause == 2
