"""Consumers of the simulated RabbitMQ: prefetch, deliveries, acknowledgements; and how these go wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from struct import Struct
from typing import Any

from tests.simulated import amqp_frames as wire
from tests.simulated.amqp_queues import Consumer, Copy, Queue, Vhost, as_handed_out
from tests.simulated.choices import Choices
from tests.simulated.network import Socket

CONSUMING = ("delivered late", "consumer cancelled", "channel closed", "ended by the broker")
CONTENT = Struct(">HHQ")
LATE_SECONDS = (0.05, 1.0, 12.0, 45.0)


@dataclass
class Content:
    """A published message that is still coming."""

    exchange: str
    key: str
    mandatory: bool
    size: int = 0
    properties: bytes = b""
    body: bytes = b""
    # Of the message, when this was sent into an alarm that the client had not heard of.
    handouts: int | None = None


@dataclass
class Channel:
    number: int
    unacked: dict[int, tuple[Copy, Queue, str]] = field(default_factory=dict)  # with the consumer's tag
    consumers: dict[str, tuple[Queue, Consumer]] = field(default_factory=dict)
    prefetch: int = 0  # of the next consumer
    shared_prefetch: int = 0
    last_tag: int = 0
    confirms: bool = False
    sequence: int = 0
    unconfirmed: list[tuple[int, str]] = field(default_factory=list)  # sequence number, message
    content: Content | None = None
    is_known_to_be_closed: bool = False  # to the client

    def tell_the_end(self) -> None:
        self.is_known_to_be_closed = True


class Consuming:
    """That part of AmqpSession."""

    _rabbit: Any
    _vhost: Vhost
    _choices: Choices
    _socket: Socket
    _is_over: bool
    _close_channel: Callable[..., None]
    _close_by_broker: Callable[[], None]
    _say: Callable[..., None]

    def _qos(self, channel: Channel, values: list[Any]) -> None:
        if values[2]:
            channel.shared_prefetch = values[1]
        else:
            channel.prefetch = values[1]
        self._say(channel.number, wire.QOS_OK)
        for queue, _ in list(channel.consumers.values()):
            self._vhost.pump(queue)

    def _consume(self, channel: Channel, values: list[Any]) -> None:
        name, tag = values[1], values[2]
        if name not in self._vhost.queues:
            self._close_channel(channel, 404, f"NOT_FOUND - no queue '{name}' in vhost '/'", wire.CONSUME)
            return
        queue, most = self._vhost.queues[name], channel.prefetch
        consumer = Consumer(
            tag, partial(self._may_have, channel, tag, most), partial(self._deliver, channel, queue, tag)
        )
        channel.consumers[tag] = (queue, consumer)
        queue.consumers.append(consumer)
        self._say(channel.number, wire.CONSUME_OK, "s", tag)
        self._vhost.pump(queue)

    def _may_have(self, channel: Channel, tag: str, most: int) -> bool:
        if self._is_over or (channel.shared_prefetch and len(channel.unacked) >= channel.shared_prefetch):
            return False
        return not most or sum(owner == tag for _, _, owner in channel.unacked.values()) < most

    def _deliver(self, channel: Channel, queue: Queue, tag: str, copy: Copy) -> None:
        channel.last_tag += 1
        channel.unacked[channel.last_tag] = (copy, queue, tag)
        values = [tag, channel.last_tag, copy.redelivered, "", queue.name]
        data = wire.write(channel.number, wire.DELIVER, "sLbss", *values)
        data += self._content(channel, queue, copy)
        late = 0.0
        match self._choices.fault("delivery", CONSUMING):
            case "delivered late":
                late = LATE_SECONDS[self._choices.how_much(3)]
            case "consumer cancelled":
                self._later(self._cancel_by_broker, channel, tag)
            case "channel closed":
                self._later(
                    self._close_channel,
                    channel,
                    406,
                    "PRECONDITION_FAILED - delivery acknowledgement timed out",
                )
            case "ended by the broker":
                self._later(self._close_by_broker)
        self._socket.reply(data, late=late)

    def _get(self, channel: Channel, values: list[Any]) -> None:
        queue = self._vhost.queues.get(values[1])
        if queue is None:
            self._close_channel(channel, 404, f"NOT_FOUND - no queue '{values[1]}' in vhost '/'", wire.GET)
            return
        if not queue.ready:
            self._say(channel.number, wire.GET_EMPTY, "s", "")
            return
        copy = self._vhost.take(queue)
        channel.last_tag += 1
        channel.unacked[channel.last_tag] = (copy, queue, "")
        values = [channel.last_tag, copy.redelivered, "", queue.name, len(queue.ready)]
        self._socket.reply(
            wire.write(channel.number, wire.GET_OK, "Lbssl", *values) + self._content(channel, queue, copy)
        )

    def _content(self, channel: Channel, queue: Queue, copy: Copy) -> bytes:
        header = CONTENT.pack(60, 0, len(copy.body)) + as_handed_out(copy, queue)
        return wire.frame(wire.HEADER, channel.number, header) + wire.frame(
            wire.BODY, channel.number, copy.body
        )

    def _later(self, action: Callable[..., None], *arguments: Any) -> None:
        """In a moment: not in the middle of handing out."""
        seconds = LATE_SECONDS[self._choices.how_much(3)]
        self._vhost.clock.after(seconds, lambda: None if self._is_over else action(*arguments))

    def _cancel_by_broker(self, channel: Channel, tag: str) -> None:
        """As when a queue moves to another node; what is unacknowledged stays so."""
        if self._remove_consumer(channel, tag):
            self._say(channel.number, wire.CANCEL, "sb", tag, False)

    def _cancel(self, channel: Channel, values: list[Any]) -> None:
        self._remove_consumer(channel, values[0])
        self._say(channel.number, wire.CANCEL_OK, "s", values[0])

    def _remove_consumer(self, channel: Channel, tag: str) -> bool:
        queue, consumer = channel.consumers.pop(tag, (None, None))
        if queue is None or consumer is None:
            return False
        queue.consumers.remove(consumer)
        return True

    def _ack(self, channel: Channel, values: list[Any]) -> None:
        tag, multiple = values
        if multiple:
            tags = [each for each in channel.unacked if each <= tag]
        else:
            tags = [tag] if tag in channel.unacked else []
        if not tags:
            self._unknown_tag(channel, tag, wire.ACK)
            return
        for each in tags:
            copy, _, _ = channel.unacked.pop(each)
            self._rabbit.published[copy.message] = self._rabbit.alarmed[copy.message] = 0
            self._vhost.delete(copy)
        self._pump_for(channel)

    def _reject(self, channel: Channel, values: list[Any]) -> None:
        tag, requeue = values
        if tag not in channel.unacked:
            self._unknown_tag(channel, tag, wire.REJECT)
            return
        copy, queue, _ = channel.unacked.pop(tag)
        alarmed = self._rabbit.alarmed
        self._vhost.judge.excused[copy.message] += alarmed[copy.message]
        self._rabbit.published[copy.message] = alarmed[copy.message] = 0
        if requeue:
            self._vhost.put_back(queue, copy)
        else:
            self._vhost.delete(copy)
        self._pump_for(channel)

    def _pump_for(self, channel: Channel) -> None:
        for queue, _ in list(channel.consumers.values()):
            self._vhost.pump(queue)

    def _unknown_tag(self, channel: Channel, tag: int, method: wire.Method) -> None:
        self._vhost.judge.breach(f"settled twice: delivery tag {tag} is unknown on its channel")
        self._close_channel(channel, 406, f"PRECONDITION_FAILED - unknown delivery tag {tag}", method)
