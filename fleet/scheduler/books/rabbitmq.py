"""The book on RabbitMQ: one queue with a single active consumer, which holds the notes as its unsettled messages.

Whoever the broker hands that queue to is the one scheduler; all others wait, and get it with all that lies in it when
the connection of the one ends. A note is replaced by publishing its successor, confirmed, and settling it. Notes lie
together in SHARDS messages, so that neither a run rewrites all of them nor ten thousand schedules are ten thousand
messages.

RabbitMQ has no step that publishes into two queues: a run is confirmed first, then the note of it. Between the two a
death means the same run again, with the same id; nothing is ever forgotten. docs/decisions/0110 has the rest.
"""

from __future__ import annotations

import json
import time
import zlib
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from fleet.broker.delivery import BrokerUnavailable, Delivery, Posting, QueueMismatch, Refused
from fleet.broker.notes import Entry, Written, orders_spec
from fleet.broker.rabbitmq.confirmed_publisher import ConfirmedPublisher
from fleet.broker.rabbitmq.connection import AmqpConnection
from fleet.broker.rabbitmq.inbound import Arrived
from fleet.broker.rabbitmq.queues import declare, may_refuse
from fleet.broker.waiting import wait_readable
from fleet.protocol import Encoded
from fleet.scheduler.books.held import judge
from fleet.spec import QueueSpec, RoutingSpec

SHARDS = 64

# A consumer that holds a message for longer than RabbitMQ's consumer_timeout (30 minutes) loses its channel.
_RENEW_SECONDS = 600.0


class RabbitBook:
    """See Book."""

    def __init__(self, fleet: str, routing: RoutingSpec, *, identity: str) -> None:
        self._broker = routing.broker
        self._queues = {queue.name: queue for queue in routing.queues}
        self._identity = identity
        self._queue = orders_spec(fleet, routing.broker)
        self._connection: AmqpConnection | None = None
        self._forget()

    def _forget(self) -> None:
        self._notes: dict[str, str] = {}
        self._shards: dict[
            int, tuple[int, list[int]]
        ] = {}  # of each the number of the newest, and its delivery tags
        self._orders: list[Delivery] = []
        self._arrived: list[Arrived] = []
        self._marker: str | None = None  # published when this consumer had become the active one
        self._is_active = False  # something has come: the broker hands the queue to us
        self._leads = False
        self._declared: set[str] = set()
        self._renewed_at = time.monotonic()

    def connect(self) -> None:
        self.close()
        self._forget()
        connection = AmqpConnection(self._broker, name=self._identity)
        self._connection = connection
        try:
            self._start(connection)
        except BaseException:
            self.close()
            raise

    def _start(self, connection: AmqpConnection) -> None:
        declare(connection, self._queue)
        self._publisher = ConfirmedPublisher(connection)
        with connection.guard():
            self._channel: Any = connection.amqp.channel()
            self._channel.auto_decode = False
            connection.deliver(self._channel, self._arrived.append)
            self._channel.basic_consume(self._queue.name, on_cancel=self._on_cancel)
        # Something for the active consumer to get, so that it knows that it is.
        self._publisher.publish([self._posting("marker", id="")])

    def _on_cancel(self, _tag: str) -> None:
        raise ConnectionError(f"the queue {self._queue.name} was deleted, and with it what was remembered")

    @property
    def _open(self) -> AmqpConnection:
        if self._connection is None:
            raise BrokerUnavailable("not connected")
        if self._connection.failure:
            raise BrokerUnavailable(self._connection.failure)
        return self._connection

    def now(self) -> int:
        return int(time.time() * 1000)

    def notes(self) -> dict[str, str] | None:
        return dict(self._notes) if self._leads else None

    def enter(self, entries: Sequence[Entry]) -> list[Written]:
        connection = self._open
        self._read(
            connection
        )  # whoever was stopped for a while finds here that the broker has given the queue away
        if not self._leads:
            raise BrokerUnavailable("another scheduler has the schedules by now")
        fitting, written = judge(self._notes, entries)
        refused = self._publish(connection, fitting)
        taken = [entry for entry in fitting if entry.name not in refused]
        self._notes.update((entry.name, entry.after) for entry in taken)
        self._keep({_shard(entry.name) for entry in taken})
        return [
            Written(False, entry.before, refused[entry.name]) if entry.name in refused else each
            for entry, each in zip(entries, written, strict=True)
        ]

    def _publish(self, connection: AmqpConnection, entries: Sequence[Entry]) -> dict[str, str]:
        """By the name of an entry why the broker has not taken its messages; all others it has."""
        bad = self._declare(connection, {posting.queue for entry in entries for posting in entry.postings})
        refused = {
            entry.name: bad[posting.queue]
            for entry in entries
            for posting in entry.postings
            if posting.queue in bad
        }
        left = [posting for entry in entries if entry.name not in refused for posting in entry.postings]
        try:
            self._publisher.publish(left)
        except Refused as error:
            self._declared.clear()  # a queue may have been deleted
            not_taken = {id(each) for each in error.postings or left}
            refused |= {
                entry.name: str(error)
                for entry in entries
                if any(id(each) in not_taken for each in entry.postings)
            }
        return refused

    def _declare(self, connection: AmqpConnection, names: set[str]) -> dict[str, str]:
        """By name why a queue can't be used."""
        bad = {}
        for name in names - self._declared:
            queue = self._queues.get(name) or QueueSpec(name)
            if may_refuse(queue):
                self._publisher.is_apart(name)
            try:
                declare(connection, queue)
            except QueueMismatch as error:
                bad[name] = str(error)
            else:
                self._declared.add(name)
        return bad

    def _keep(self, shards: set[int]) -> None:
        """The notes of the entries as they are now, in the place of those that the broker has."""
        if not shards:
            return
        number = time.time_ns()
        told = [self._posting("notes", shard=shard, number=number, notes=self._of(shard)) for shard in shards]
        self._publisher.publish(told)
        # The new ones come to us as all that lies in the queue does, and settle their predecessors (`_take_notes`).

    def _of(self, shard: int) -> dict[str, str]:
        return {name: note for name, note in self._notes.items() if _shard(name) == shard}

    def _posting(self, kind: str, **said: Any) -> Posting:
        body = json.dumps({"do": kind, "name": "", **said}).encode()
        return Posting(self._queue.name, Encoded(body, {}, {"delivery_mode": 2}))

    def wait(self, seconds: float, wake_fd: int) -> list[Delivery]:
        deadline = time.monotonic() + seconds
        led = self._leads
        while True:
            connection = self._open
            self._read(connection)
            connection.beat()
            self._renew()
            if self._orders and self._leads:
                orders, self._orders = self._orders, []
                return orders
            left = deadline - time.monotonic()
            if left <= 0 or self._leads != led:
                return []
            pause = min(left, connection.look_every_seconds)
            with connection.guard():
                ready = wait_readable([connection.amqp.sock.fileno(), wake_fd], pause)
            if wake_fd in ready and len(ready) == 1:
                return []

    def _renew(self) -> None:
        if self._leads and time.monotonic() - self._renewed_at > _RENEW_SECONDS:
            self._renewed_at = time.monotonic()
            self._keep(set(self._shards))

    def _read(self, connection: AmqpConnection) -> None:
        while connection.read(0):
            pass
        while self._arrived:  # while one is taken others may come
            self._take(connection, self._arrived.pop(0))

    def _take(self, connection: AmqpConnection, arrived: Arrived) -> None:
        if not self._is_active:
            # What was published from now on comes behind all that its predecessor has left: when it is here, all is.
            self._is_active = True
            self._marker = uuid4().hex
            self._publisher.publish([self._posting("marker", id=self._marker)])
        said = _read_body(arrived.body)
        if said.get("do") == "notes":
            self._take_notes(connection, said, arrived.tag)
        elif said.get("do") == "marker":
            self._leads |= said.get("id") == self._marker
            self._settle(connection, [arrived.tag])
        else:
            self._orders.append(Delivery(arrived.tag, self._queue.name, arrived.body))

    def _take_notes(self, connection: AmqpConnection, said: dict[str, Any], tag: int) -> None:
        """What is older is settled; while this one leads, what comes is what it has written itself."""
        shard, number = int(said["shard"]), int(said["number"])
        newest, tags = self._shards.get(shard, (-1, []))
        if number < newest:
            self._settle(connection, [tag])
            return
        self._shards[shard] = number, [tag]
        if not self._leads:
            own = {name: note for name, note in self._notes.items() if _shard(name) != shard}
            self._notes = {**own, **said["notes"]}
        self._settle(connection, tags)

    def _settle(self, connection: AmqpConnection, tags: Sequence[int]) -> None:
        with connection.guard():
            for tag in tags:
                self._channel.basic_ack(tag)

    def done(self, orders: Sequence[Delivery]) -> None:
        self._settle(self._open, [each.tag for each in orders])

    def is_empty(self, queue: str) -> bool:
        return False  # it does not tell what is being worked on

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _shard(name: str) -> int:
    return zlib.crc32(name.encode()) % SHARDS


def _read_body(body: bytes) -> dict[str, Any]:
    """{} for what nobody of fleet's has written; it is then taken for an order, and dropped as one."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
