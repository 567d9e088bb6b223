"""The notes of a scheduler in a store: written in one step with the messages that they tell of."""

from __future__ import annotations

from typing import NamedTuple

from fleet.broker.delivery import Posting
from fleet.broker.urls import scheme
from fleet.spec import BrokerSpec, QueueSpec


class Entry(NamedTuple):
    """Put `after` where `before` stands (None: nothing does), and publish. One step: all of it or nothing."""

    name: str
    before: str | None
    after: str
    postings: tuple[Posting, ...] = ()


class Written(NamedTuple):
    """Of an entry: whether it was made, and what the note is now, whoever has written it.

    `refused`: why the broker, which is there, does not take its messages.
    """

    done: bool
    note: str | None
    refused: str = ""


def orders_queue(fleet: str) -> str:
    """Where a fleet's scheduler hears of runs that have ended, and of what people tell it."""
    return f"_fleet.schedules.{fleet}"


def orders_spec(fleet: str, broker: BrokerSpec) -> QueueSpec:
    """The same queue as it is declared. RabbitMQ hands it to one scheduler at a time, which so is the only one."""
    arguments = {"x-single-active-consumer": True} if scheme(broker.url) == "amqp" else {}
    return QueueSpec(orders_queue(fleet), arguments=arguments)
