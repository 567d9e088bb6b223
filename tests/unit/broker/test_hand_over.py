"""A message for another queue is tried as it is meant, then in shorter forms, and kept once it could be made."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.broker.delivery import Posting
from fleet.broker.hand_over import HandOver, Make
from fleet.protocol import Encoded


def made(text: str) -> Make:
    return lambda: Posting("q", Encoded(text.encode(), {}, {}))


def impossible() -> Posting:
    raise ValueError("too deep")


def shorter(told: list[str], *ways: Make) -> HandOver:
    def give(why: str) -> Iterator[Make]:
        told.append(why)
        yield from ways

    return HandOver(impossible, give)


def test_a_message_that_can_be_made_is_the_same_object_each_time_it_is_asked_for() -> None:
    way = HandOver(made("whole"), lambda _why: iter(()))
    assert way.posting() is way.posting()


def test_a_message_that_cannot_be_made_is_made_shorter_and_the_reason_is_told_once() -> None:
    told: list[str] = []
    way = shorter(told, impossible, made("short"))
    posting = way.posting()
    assert posting is not None
    assert posting.message.body == b"short"
    assert told == ["ValueError: too deep"]


def test_a_message_that_the_broker_cannot_take_is_followed_by_the_next_form() -> None:
    told: list[str] = []
    way = shorter(told, made("short"), made("shortest"))
    way.posting()
    way.failed(ValueError("still too long"))
    posting = way.posting()
    assert posting is not None
    assert posting.message.body == b"shortest"
    assert len(told) == 1


def test_a_message_that_fits_in_no_form_is_none() -> None:
    assert shorter([], impossible).posting() is None
