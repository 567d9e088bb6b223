"""The books of a scheduler: notes, published runs and orders, one book for each kind of broker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from fleet.broker.delivery import Delivery
from fleet.broker.notes import Entry, Written
from fleet.broker.open import is_leased
from fleet.broker.urls import scheme
from fleet.spec import RoutingSpec


class Book(Protocol):
    """One scheduler's line to its broker. Every method but `close` raises BrokerUnavailable; then `connect` mends it.

    Times are milliseconds since 1970, except where a name says seconds.
    """

    def connect(self) -> None: ...

    def now(self) -> int:
        """The time by which things are due: the broker's where it has a clock, else that of this host."""

    def notes(self) -> dict[str, str] | None:
        """All notes by name; None while another host's scheduler has the book, and this one has to wait."""

    def enter(self, entries: Sequence[Entry]) -> list[Written]:
        """See Notes of the broker: each note together with its messages, unless the note has changed."""

    def wait(self, seconds: float, wake_fd: int) -> list[Delivery]:
        """Orders as soon as there are some; [] when `wake_fd` is readable, after `seconds`, or when `notes` changes."""

    def done(self, orders: Sequence[Delivery]) -> None:
        """Note orders that have been carried out."""

    def is_empty(self, queue: str) -> bool:
        """Whether nothing lies in that queue, nor is being worked on; False where nobody can tell."""

    def close(self) -> None:
        """Never raises."""


def open_book(fleet: str, routing: RoutingSpec, *, identity: str, folder: Path) -> Book:
    """Nothing is connected yet. `folder` is for brokers that can keep no notes."""
    if is_leased(routing.broker.url):
        from fleet.scheduler.books.leased import LeasedBook

        return LeasedBook(fleet, routing, identity=identity)
    if scheme(routing.broker.url) == "amqp":
        from fleet.scheduler.books.rabbitmq import RabbitBook

        return RabbitBook(fleet, routing, identity=identity)
    from fleet.scheduler.books.local import LocalBook

    return LocalBook(fleet, routing, file=folder / "schedule-notes.json")
