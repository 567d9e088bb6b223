"""What passed between RabbitMQ and its clients: who was given which message over which connection, and said what.

The proxy tells it of the bytes that it has handed on. That is what the judge needs to know of a repetition: not
that some fault struck at about that time, but that this delivery's connection broke before its ack was there.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from struct import Struct

from tests.chaos.messages import number_in

_METHOD, _HEADER, _BODY = 1, 2, 3
_FRAME = Struct(">BHI")
_TAG = Struct(">QB")
_GREETING = 8  # bytes with which a client begins, before its first frame
_PID = re.compile(r"(?:@[^:]*:|, pid )(\d+)")
_NAME = b"connection_nameS"

# (class, method)
_START_OK, _CHANNEL_CLOSE, _CONFIRM_SELECT = (10, 11), (20, 40), (85, 10)
_PUBLISH, _RETURN, _DELIVER, _ACK, _REJECT, _NACK = (
    (60, 40),
    (60, 50),
    (60, 60),
    (60, 80),
    (60, 90),
    (60, 120),
)


@dataclass(slots=True)
class Connection:
    """`by` whom it ended: "client", "broker", or the fault by which the proxy did it."""

    name: str = ""
    ended: float | None = None
    by: str = ""

    @property
    def pid(self) -> int:
        """Of the client; 0 where it does not say."""
        found = _PID.search(self.name)
        return int(found[1]) if found else 0

    @property
    def is_worker(self) -> bool:
        return "@" in self.name


@dataclass(slots=True)
class Delivery:
    """One message given to a client; `how` it was settled: "ack", "requeue", "drop", or "closed" by RabbitMQ."""

    number: int
    connection: Connection
    at: float
    settled: float | None = None
    how: str = ""


@dataclass(slots=True)
class Publication:
    """One message brought to RabbitMQ, `into` a queue or exchange.

    Its `answer`: "ack", "nack", "returned", or none heard.
    """

    number: int
    connection: Connection
    at: float
    answer: str = ""
    into: str = ""


@dataclass(slots=True)
class Wire:
    """All that a run's proxy has seen, by the number of the message."""

    deliveries: dict[int, list[Delivery]] = field(default_factory=lambda: defaultdict(list))
    publications: dict[int, list[Publication]] = field(default_factory=lambda: defaultdict(list))
    held: int = 0  # deliveries not settled, on connections that have not ended

    def talk(self) -> Talk:
        """For a new connection."""
        return Talk(self)

    def delivered(self, number: int, connection: Connection, at: float) -> Delivery:
        delivery = Delivery(number, connection, at)
        self.deliveries[number].append(delivery)
        self.held += 1
        return delivery

    def settled(self, delivery: Delivery, how: str, at: float) -> None:
        delivery.settled, delivery.how = at, how
        self.held -= 1


@dataclass(slots=True)
class _Content:
    """A message whose frames are still coming."""

    done: Callable[[int], None]
    left: int = -1  # bytes of the body; -1 before the header
    body: bytearray = field(default_factory=bytearray)


class _Channel:
    """`waiting`: deliveries by tag; `asked`: publications by sequence number, once confirms are on."""

    def __init__(self) -> None:
        self.waiting: dict[int, Delivery] = {}
        self.asked: dict[int, Publication] = {}
        self.confirms = False
        self.sequence = 0


class Talk:
    """One connection's bytes, both ways, in order."""

    def __init__(self, wire: Wire) -> None:
        self.connection = Connection()
        self._wire = wire
        self._buffers = {True: bytearray(), False: bytearray()}  # from the client, from the broker
        self._to_skip = _GREETING
        self._at = 0.0
        self._channels: dict[int, _Channel] = defaultdict(_Channel)
        self._contents: dict[tuple[bool, int], _Content] = {}

    def passed(self, data: bytes, at: float, *, from_client: bool) -> None:
        """`at`: just before they were handed on, for whoever gets them may be faster than we are."""
        self._at = at
        buffer = self._buffers[from_client]
        buffer += data
        if from_client and self._to_skip:
            if len(buffer) < self._to_skip:
                return
            del buffer[: self._to_skip]
            self._to_skip = 0
        for kind, number, payload in _frames(buffer):
            if kind == _METHOD:
                method = payload[0] << 8 | payload[1], payload[2] << 8 | payload[3]
                self._method(method, number, payload, from_client)
            elif kind in (_HEADER, _BODY):
                self._part(kind, (from_client, number), payload)

    def ended(self, by: str) -> None:
        if self.connection.ended is None:
            self.connection.ended, self.connection.by = time.monotonic(), by
            self._wire.held -= sum(len(each.waiting) for each in self._channels.values())

    def _method(self, method: tuple[int, int], number: int, payload: bytes, from_client: bool) -> None:
        channel = self._channels[number]
        if method == _START_OK:
            self.connection.name = _name(payload)
        elif method == _CONFIRM_SELECT:
            channel.confirms = True
        elif method == _PUBLISH and from_client:
            self._begin(number, from_client, self._on_published(channel, payload))
        elif method == _DELIVER:
            self._begin(number, from_client, self._on_delivered(channel, payload))
        elif method == _RETURN:
            self._begin(number, from_client, self._on_returned)
        elif method in (_ACK, _NACK, _REJECT):
            tag, flags = _TAG.unpack_from(payload, 4)
            if from_client:
                how = "ack" if method == _ACK else "requeue" if flags & _requeues(method) else "drop"
                self._settle(channel, tag, how, multiple=method != _REJECT and bool(flags & 1))
            else:
                _answer(channel, tag, "ack" if method == _ACK else "nack", multiple=bool(flags & 1))
        elif method == _CHANNEL_CLOSE:
            self._settle(channel, 0, "closed", multiple=True)

    def _settle(self, channel: _Channel, tag: int, how: str, *, multiple: bool) -> None:
        for each in _up_to(channel.waiting, tag, multiple):
            self._wire.settled(channel.waiting.pop(each), how, self._at)

    def _begin(self, number: int, from_client: bool, done: Callable[[int], None]) -> None:
        self._contents[from_client, number] = _Content(done)

    def _part(self, kind: int, key: tuple[bool, int], payload: bytes) -> None:
        content = self._contents.get(key)
        if content is None:
            return
        if kind == _HEADER:
            content.left = int.from_bytes(payload[4:12])
        else:
            content.left -= len(payload)
            if len(content.body) < 64:
                content.body += payload[:64]
        if content.left == 0:
            del self._contents[key]
            content.done(number_in(bytes(content.body)))

    def _on_published(self, channel: _Channel, payload: bytes) -> Callable[[int], None]:
        exchange, key = _two_names(payload, 6)

        def done(number: int) -> None:
            publication = Publication(number, self.connection, self._at, into=exchange or key)
            if number >= 0:  # none of this run's, as by one that asks whether an alarm is over
                self._wire.publications[number].append(publication)
            if channel.confirms:
                channel.sequence += 1
                channel.asked[channel.sequence] = publication

        return done

    def _on_delivered(self, channel: _Channel, payload: bytes) -> Callable[[int], None]:
        (tag, _) = _TAG.unpack_from(payload, 5 + payload[4])

        def done(number: int) -> None:
            channel.waiting[tag] = self._wire.delivered(number, self.connection, self._at)

        return done

    def _on_returned(self, number: int) -> None:
        for publication in reversed(self._wire.publications[number]):
            if publication.connection is self.connection:
                publication.answer = "returned"
                return


def _frames(buffer: bytearray) -> Iterator[tuple[int, int, bytes]]:
    """Kind, channel and payload of those that are whole, which leave the buffer."""
    at = 0
    while len(buffer) >= at + _FRAME.size:
        kind, channel, size = _FRAME.unpack_from(buffer, at)
        end = at + _FRAME.size + size + 1
        if len(buffer) < end:
            break
        yield kind, channel, bytes(buffer[at + _FRAME.size : end - 1])
        at = end
    del buffer[:at]


def _requeues(method: tuple[int, int]) -> int:
    """The bit of the flags that says so: basic.nack has `multiple` before it."""
    return 2 if method == _NACK else 1


def _up_to(waiting: dict[int, Delivery] | dict[int, Publication], tag: int, multiple: bool) -> list[int]:
    """Tags of which an answer speaks; 0 with `multiple` are all."""
    if multiple:
        return [each for each in waiting if each <= tag or tag == 0]
    return [tag] if tag in waiting else []


def _answer(channel: _Channel, tag: int, answer: str, *, multiple: bool) -> None:
    for each in _up_to(channel.asked, tag, multiple):
        publication = channel.asked.pop(each)
        publication.answer = publication.answer or answer


def _name(payload: bytes) -> str:
    at = payload.find(_NAME)
    if at < 0:
        return ""
    begin = at + len(_NAME) + 4
    return payload[begin : begin + int.from_bytes(payload[begin - 4 : begin])].decode(errors="replace")


def _two_names(payload: bytes, at: int) -> tuple[str, str]:
    middle = at + 1 + payload[at]
    end = middle + 1 + payload[middle]
    return payload[at + 1 : middle].decode(errors="replace"), payload[middle + 1 : end].decode(
        errors="replace"
    )
