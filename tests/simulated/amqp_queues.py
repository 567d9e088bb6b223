"""What a RabbitMQ keeps: exchanges, queues with their limits and delays, and each copy of each message."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

from amqp import Message
from amqp.serialization import decode_properties_basic

from tests.simulated.clock import Clock
from tests.simulated.judge import Judge

_PROPERTIES_AT = 12  # in a content header: class, weight and size of the body stand before them


@dataclass(eq=False)
class Copy:
    """One message in one queue."""

    message: str  # its id
    place: int
    properties: bytes  # flags and properties as they came
    body: bytes
    redelivered: bool = False
    handouts: int = 0  # that a quorum queue has counted
    is_there: bool = True


@dataclass(eq=False)
class Consumer:
    """One basic.consume. `deliver` sends; `may_have` says whether its prefetch leaves room."""

    tag: str
    may_have: Callable[[], bool]
    deliver: Callable[[Copy], None]


@dataclass(eq=False)
class Queue:
    name: str
    arguments: dict[str, Any]
    ready: list[Copy] = field(default_factory=list)  # by place
    consumers: list[Consumer] = field(default_factory=list)

    @property
    def is_quorum(self) -> bool:
        return self.arguments.get("x-queue-type") == "quorum"

    @property
    def is_full(self) -> bool:
        most = self.arguments.get("x-max-length")
        return most is not None and len(self.ready) >= most


class Vhost:
    """Everything that outlives a connection."""

    def __init__(self, clock: Clock, judge: Judge) -> None:
        self.clock = clock
        self.judge = judge
        self.queues: dict[str, Queue] = {}
        self.exchanges: dict[str, str] = {"": "direct"}
        self.bindings: dict[str, list[tuple[str, str]]] = {}  # exchange → (routing key, queue)
        self.copies: Counter[str] = Counter()
        self._places = count(1)

    def declare(self, name: str, arguments: dict[str, Any]) -> Queue:
        if name not in self.queues:
            self.queues[name] = Queue(name, arguments)
            if ttl := arguments.get("x-expires"):
                self._expire_when_unused(self.queues[name], ttl / 1000, self.clock.now)
        return self.queues[name]

    def _expire_when_unused(self, queue: Queue, seconds: float, _since: float) -> None:
        def look() -> None:
            if self.queues.get(queue.name) is queue:
                del self.queues[queue.name]

        queue.arguments["used"] = used = queue.arguments.get("used", 0) + 1
        self.clock.after(seconds, lambda: look() if queue.arguments["used"] == used else None)

    def use(self, queue: Queue) -> None:
        """Declared again: its time to live begins anew."""
        if ttl := queue.arguments.get("x-expires"):
            self._expire_when_unused(queue, ttl / 1000, self.clock.now)

    def route(self, exchange: str, key: str) -> list[Queue]:
        if exchange == "":
            return [self.queues[key]] if key in self.queues else []
        kind = self.exchanges.get(exchange, "direct")
        bound = self.bindings.get(exchange, [])
        names = [queue for bound_key, queue in bound if kind == "fanout" or bound_key == key]
        return [self.queues[name] for name in dict.fromkeys(names) if name in self.queues]

    def put(self, queue: Queue, properties: bytes, body: bytes, key: str) -> str:
        """A new message at the end of the queue; its id."""
        message = id_of(properties)
        copy = Copy(message, next(self._places), properties, body)
        self.copies[message] += 1
        queue.ready.append(copy)
        if (ttl := queue.arguments.get("x-message-ttl")) is not None:
            self.clock.after(ttl / 1000, partial(self._dead_letter, queue, copy, key))
        self.pump(queue)
        return message

    def put_back(self, queue: Queue, copy: Copy) -> None:
        copy.redelivered = True
        copy.handouts += 1
        insort(queue.ready, copy, key=lambda each: each.place)
        self.pump(queue)

    def delete(self, copy: Copy) -> None:
        copy.is_there = False
        self.copies[copy.message] -= 1
        if not self.copies[copy.message]:
            self.judge.gone(copy.message)

    def _dead_letter(self, queue: Queue, copy: Copy, key: str) -> None:
        if not copy.is_there or copy not in queue.ready:
            return
        queue.ready.remove(copy)
        copy.is_there = False
        self.copies[copy.message] -= 1
        for target in self.route(queue.arguments.get("x-dead-letter-exchange", ""), key):
            if not (target.is_full and target.arguments.get("x-overflow") == "reject-publish"):
                self.put(target, copy.properties, copy.body, key)
        if not self.copies[copy.message]:
            self.judge.breach(f"lost: {copy.message} waited in {queue.name}, and nothing took it then")

    def pump(self, queue: Queue) -> None:
        """Hand out what can be, to each consumer in turn."""
        while queue.ready:
            taker = next((each for each in queue.consumers if each.may_have()), None)
            if taker is None:
                return
            queue.consumers.remove(taker)
            queue.consumers.append(taker)
            copy = queue.ready.pop(0)
            self.judge.handed_out(copy.message)
            taker.deliver(copy)

    def take(self, queue: Queue) -> Copy:
        """By somebody else than the worker under test."""
        copy = queue.ready.pop(0)
        self.judge.handed_out(copy.message)
        return copy


def id_of(properties: bytes) -> str:
    headers = decode_properties_basic(properties, 0)[0].get("application_headers") or {}
    return str(headers.get("id"))


def as_handed_out(copy: Copy, queue: Queue) -> bytes:
    """Its properties: a quorum queue adds its count."""
    if not (queue.is_quorum and copy.handouts):
        return copy.properties
    properties = decode_properties_basic(copy.properties, 0)[0]
    headers = {**properties.pop("application_headers", {}), "x-delivery-count": copy.handouts}
    message = Message("", application_headers=headers, **properties)
    return bytes(message._serialize_properties())
