"""The count that goes on all through a run."""

from __future__ import annotations

from tests.chaos.census import Census


def census(*held: int, most: int = 10) -> Census:
    counts = iter(held)
    return Census(lambda: next(counts), lambda: most, 1.0)


def test_as_many_as_were_sent_are_no_problem() -> None:
    counted = census(10, 3)
    counted.look()
    counted.look()
    assert (counted.samples, counted.problem) == (2, "")


def test_more_than_were_sent_have_multiplied() -> None:
    counted = census(17, 18)
    counted.look()
    assert (
        counted.problem == "multiplied (1 of 2 looks): 18 messages on the broker, 10 at most have been sent"
    )


def test_one_that_is_counted_in_two_queues_is_looked_at_again() -> None:
    counted = census(11, 10)
    counted.look()
    assert counted.problem == ""


def test_a_broker_that_cannot_be_asked_says_nothing() -> None:
    def away() -> int:
        raise AssertionError("it is being restarted")

    counted = Census(away, lambda: 0, 1.0)
    counted.look()
    assert (counted.samples, counted.problem) == (0, "")
