"""Schedulers of a test: on a clock of its own, and made to die at any moment of their talk with the broker."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.notes import orders_queue
from fleet.launch_specs import ScheduleSpec
from fleet.scheduler.books import Book, open_book
from fleet.scheduler.known import KnownFile
from fleet.scheduler.log import Log
from fleet.scheduler.loop import Plan, Scheduler
from fleet.scheduler.messages import Messages
from fleet.schedules.moments import MINUTE
from fleet.spec import BrokerSpec, QueueSpec, RouteSpec, RoutingSpec
from tests.conftest import Broker
from tests.support import eventually

START = 1_795_986_000_000


class Death(BaseException):
    """kill -9: nothing catches it, nothing is tidied up."""


@dataclass
class Countdown:
    """Dies at step `at`, counted from 1; `steps` is how many there were."""

    at: int
    steps: int = 0

    def step(self) -> None:
        self.steps += 1
        if self.steps == self.at:
            raise Death


@contextmanager
def mortal(countdown: Countdown, *methods: tuple[type, str]) -> Iterator[None]:
    """Before and after each call of one of these methods is a step."""
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in methods:
            patch.setattr(owner, name, _stepping(getattr(owner, name), countdown))
        try:
            yield
        finally:
            countdown.at = -1  # connections made meanwhile keep these methods


def _stepping(method: Callable[..., Any], countdown: Countdown) -> Callable[..., Any]:
    def stepped(*args: Any, **kwargs: Any) -> Any:
        countdown.step()
        result = method(*args, **kwargs)
        countdown.step()
        return result

    return stepped


def wire_of(name: str) -> list[tuple[type, str]]:
    """Where a scheduler's process meets the broker of that name."""
    if name == "redis":
        from fleet.broker.redis.connect import Wire

        return [(Wire, "send"), (Wire, "_reply")]
    if name == "sqlite":
        from fleet.broker.sqlite.file import SqliteFile

        return [(SqliteFile, "write"), (SqliteFile, "read"), (SqliteFile, "flush")]
    from fleet.broker.rabbitmq.connection import AmqpConnection

    return [(AmqpConnection, "write"), (AmqpConnection, "_write_in_turn"), (AmqpConnection, "read")]


def held_by(book: Any) -> list[Any]:
    """What the kernel closes when the process of that book dies."""
    found: list[Any] = []
    if (connection := getattr(book, "_connection", None)) is not None:
        found.append(connection.amqp.sock)
    if store := getattr(book, "_opened", None):
        found.append(store._wire if hasattr(store, "_wire") else store._file)
    return found


def cut(held: list[Any]) -> None:
    for each in held:
        with suppress(Exception):
            each.close()


@dataclass
class Hosts:
    """Several hosts with the same file on one broker. `now` is the time of all of them, unless one has its own."""

    broker: Broker
    folder: Path
    schedules: tuple[ScheduleSpec, ...]
    now: int = START
    living: list[Scheduler] = field(default_factory=list)
    books: list[Any] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.fleet = self.broker.token
        self.queue = QueueSpec(self.broker.queue("q"))
        spec = BrokerSpec(self.broker.url, lease_seconds=5)
        self.routing = RoutingSpec(spec, (self.queue,), (RouteSpec(("*",), self.queue.name),))
        reader, writer = os.pipe()
        os.write(writer, b"x")  # nobody waits: the clock goes when the test says so
        self.awake = reader
        self._ends = (reader, writer)

    def start(self, clock: Callable[[], int] | None = None) -> Scheduler:
        """A scheduler on a host of its own, connected, but not necessarily the one that has the schedules."""
        number = len(self.books)
        identity = f"scheduler@host{number}:{os.getpid()}"
        book: Any = open_book(self.fleet, self.routing, identity=identity, folder=self.folder)
        book.now = clock or (lambda: self.now)
        self.books.append(book)
        plan = Plan(
            self.fleet,
            {each.name: each for each in self.schedules},
            Messages(self.fleet, self.routing, "fleet.toml"),
        )
        scheduler = Scheduler(plan, book, Log(), KnownFile(self.folder / f"known{number}.json"))
        self.living.append(scheduler)
        scheduler.connect()
        return scheduler

    def step(self, scheduler: Scheduler) -> None:
        scheduler.step(self.awake)

    def until_leading(self, scheduler: Scheduler) -> None:
        """On RabbitMQ one has to be handed the queue first."""

        def leads() -> bool:
            self.step(scheduler)
            return scheduler.leads

        eventually(leads, within=30, message="the schedules are handed over")

    def kill(self, scheduler: Scheduler) -> None:
        """Its sockets are closed as the kernel does; nothing is told to anybody."""
        self.living.remove(scheduler)
        cut(held_by(scheduler._book))

    def close(self) -> None:
        for book in self.books:
            with suppress(BrokerUnavailable, OSError):
                _quietly(book)
        for end in self._ends:
            os.close(end)
        self._forget()

    def _forget(self) -> None:
        """Quicker than what the fixture does, which asks for all names."""
        if self.broker.name != "amqp":
            self.broker.clean()
            return
        import kombu

        with kombu.Connection(self.broker.url) as connection:
            for name in (self.queue.name, orders_queue(self.fleet)):
                connection.default_channel.queue_delete(name)

    def sent(self) -> list[str]:
        """The ids of all messages that wait, in no order."""
        if self.broker.name == "amqp":
            return _amqp_ids(self.broker.url, self.queue.name)
        from fleet.broker.open import open_store

        store = open_store(self.routing.broker)
        try:
            return [str(claim.message.headers["id"]) for claim in store.browse(self.queue.name, 10_000)]
        finally:
            store.close()


def _quietly(book: Book) -> None:
    with suppress(Exception):
        book.close()


def _amqp_ids(url: str, queue: str) -> list[str]:
    import kombu

    found = []
    with kombu.Connection(url) as connection:
        channel = connection.default_channel
        while (message := channel.basic_get(queue, no_ack=True)) is not None:
            found.append(str(message.headers["id"]))
    return found


def minutely(name: str = "tick", **more: Any) -> ScheduleSpec:
    return ScheduleSpec(name=name, task=f"shop.{name}", every_seconds=MINUTE / 1000, catch_up="all", **more)


def known(file: Path) -> Any:
    return json.loads(file.read_text())
