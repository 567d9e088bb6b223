"""A RabbitMQ in memory that speaks AMQP frames to py-amqp: consumers, acknowledgements, confirms, delays.

It refuses, answers by halves and ends connections when chance says so. What happens to messages is
in amqp_queues.py; here is the end of one connection.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.simulated import amqp_frames as wire
from tests.simulated.amqp_consuming import CONTENT, Channel, Consuming
from tests.simulated.amqp_publishing import Publishing
from tests.simulated.amqp_queues import Vhost, id_of
from tests.simulated.choices import Choices
from tests.simulated.network import Socket

FRAME_MAX = 131_072
_START = wire.write(
    0,
    wire.START,
    "ooFSS",
    0,
    9,
    {
        "product": "RabbitMQ",
        "version": "3.10.8",
        "capabilities": {"basic.nack": True, "consumer_cancel_notify": True, "publisher_confirms": True,
                         "connection.blocked": True, "authentication_failure_close": True},
    },
    "PLAIN AMQPLAIN",
    "en_US",
)  # fmt: skip


class Rabbit:
    """See the module. `connect` is the network's `accept`."""

    def __init__(self, vhost: Vhost, choices: Choices) -> None:
        self.vhost = vhost
        self.choices = choices
        self.alarm_until = 0.0
        self.is_last_close = False  # the worker says good-bye with all its work done
        self.sessions: list[AmqpSession] = []
        self.published: Counter[str] = Counter()  # by the worker, while it holds an older copy
        self.alarmed: Counter[str] = Counter()  # of these: sent before the client had heard of an alarm
        # What was taken from the worker by a channel that ended: when, and whether it knows by now.
        self.torn: dict[str, tuple[float, Callable[[], bool]]] = {}

    def connect(self, socket: Socket) -> AmqpSession:
        session = AmqpSession(self, socket)
        self.sessions.append(session)
        return session

    def held(self, message: str) -> int:
        """Copies that are handed out and not settled."""
        return sum(session.holds(message) for session in self.sessions)

    def refuse_for_memory(self, seconds: float) -> None:
        """As an alarm does: who publishes is not read any more."""
        self.alarm_until = max(self.alarm_until, self.vhost.clock.now + seconds)


class AmqpSession(Consuming, Publishing):
    """See network.Session."""

    def __init__(self, rabbit: Rabbit, socket: Socket) -> None:
        self._rabbit = rabbit
        self._vhost = rabbit.vhost
        self._choices = rabbit.choices
        self._socket = socket
        self._opened_at = rabbit.vhost.clock.now
        self._buffer = b""
        self._greeted = False
        self._waits_for_room = False  # does not read on: somebody publishes during an alarm
        self._channels: dict[int, Channel] = {}
        self._unseen: Counter[str] = Counter()  # published over this connection, the confirm not read yet
        # Of each message that the client sent before it heard of an alarm: how often it was handed out then.
        self._unaware: deque[int] = deque()
        self._has_told_alarm = False
        self._is_polite = False
        self._is_over = False

    # What the client says

    def receive(self, data: bytes) -> None:
        self._buffer += data
        if not self._greeted:
            if len(self._buffer) < len(wire.GREETING):
                return
            self._greeted, self._buffer = True, self._buffer[len(wire.GREETING) :]
            self._socket.reply(_START)
        if self._waits_for_room and self._is_blocked():
            self._note_unaware()
            return
        frames, self._buffer = wire.split(self._buffer)
        for index, (kind, channel, payload) in enumerate(frames):
            if self._is_over:
                return
            if kind == wire.METHOD and payload.startswith(b"\0\x3c\0\x28") and self._is_blocked():
                rest = b"".join(wire.frame(*each) for each in frames[index:])
                self._buffer = rest + self._buffer
                self._note_unaware()
                return
            if kind == wire.METHOD:
                self._on_method(channel, *wire.read(payload))
            elif kind in (wire.HEADER, wire.BODY):
                self._on_content(self._channels[channel], kind, payload)

    def _is_blocked(self) -> bool:
        seconds = self._rabbit.alarm_until - self._vhost.clock.now
        if seconds <= 0:
            return False
        if not self._waits_for_room:
            self._waits_for_room = True
            self._has_told_alarm = False
            self._socket.reply(wire.write(0, wire.BLOCKED, "s", "low on memory"), self._tell_alarm)
            self._vhost.clock.after(seconds + 0.001, self._unblock)
        return True

    def _tell_alarm(self) -> None:
        self._has_told_alarm = True

    def _note_unaware(self) -> None:
        if self._has_told_alarm:
            return
        headers = [payload for kind, _, payload in wire.split(self._buffer)[0] if kind == wire.HEADER]
        for payload in headers[len(self._unaware) :]:
            message = id_of(payload[CONTENT.size :])
            self._unaware.append(self._vhost.judge.fates[message].handed_out)

    def _unblock(self) -> None:
        self._waits_for_room = False
        if not self._is_over:
            self._say(0, wire.UNBLOCKED)
            self.receive(b"")

    def _on_method(self, number: int, method: wire.Method, values: list[Any]) -> None:
        if number and method != wire.CHANNEL_OPEN and number not in self._channels:
            return  # was on its way when the channel closed
        if method not in _HANDLERS:
            raise NotImplementedError(f"the simulated RabbitMQ does not know method {method}")
        _HANDLERS[method](self, self._channels.get(number) or Channel(number), values)

    def _start_ok(self, _channel: Channel, _values: list[Any]) -> None:
        self._say(0, wire.TUNE, "BlB", 2047, FRAME_MAX, 60)

    def _open(self, _channel: Channel, _values: list[Any]) -> None:
        self._say(0, wire.OPEN_OK, "s", "")

    def _close(self, _channel: Channel, _values: list[Any]) -> None:
        self._say(0, wire.CLOSE_OK)
        self._is_polite = True
        self._end(broken=False)
        self._socket.hang_up()

    def _nothing(self, _channel: Channel, _values: list[Any]) -> None:
        """It only says that it has heard."""

    def _close_ok(self, _channel: Channel, _values: list[Any]) -> None:
        self._socket.hang_up()

    def _channel_open(self, channel: Channel, _values: list[Any]) -> None:
        self._channels[channel.number] = channel
        self._say(channel.number, wire.CHANNEL_OPEN_OK, "S", "")

    def _channel_close(self, channel: Channel, _values: list[Any]) -> None:
        self._end_channel(channel, broken=False)
        self._say(channel.number, wire.CHANNEL_CLOSE_OK)

    def _exchange_declare(self, channel: Channel, values: list[Any]) -> None:
        self._vhost.exchanges.setdefault(values[1], values[2])
        self._say(channel.number, wire.EXCHANGE_DECLARE_OK)

    def _queue_declare(self, channel: Channel, values: list[Any]) -> None:
        name, passive, arguments = values[1], values[2], values[7]
        if passive and name not in self._vhost.queues:
            self._close_channel(
                channel, 404, f"NOT_FOUND - no queue '{name}' in vhost '/'", wire.QUEUE_DECLARE
            )
            return
        queue = self._vhost.declare(name, arguments)
        self._vhost.use(queue)
        counts = (len(queue.ready), len(queue.consumers))
        self._say(channel.number, wire.QUEUE_DECLARE_OK, "sll", name, *counts)

    def _queue_bind(self, channel: Channel, values: list[Any]) -> None:
        queue, exchange, key = values[1], values[2], values[3]
        bound = self._vhost.bindings.setdefault(exchange, [])
        if (key, queue) not in bound:
            bound.append((key, queue))
        self._say(channel.number, wire.QUEUE_BIND_OK)

    # The end

    def ended(self, *, broken: bool) -> None:
        self._end(broken=broken and not self._is_polite)

    def _close_by_broker(self) -> None:
        text = "CONNECTION_FORCED - broker forced connection closure with reason 'shutdown'"
        self._socket.reply(wire.write(0, wire.CLOSE, "BsBB", 320, text, 0, 0), self._tell_the_end)
        self._end(broken=True)

    def _tell_the_end(self) -> None:
        self._socket.is_known_to_be_broken = True

    def _knows(self, channel: Channel) -> bool:
        return channel.is_known_to_be_closed or self._socket.is_known_to_be_broken

    def _close_channel(self, channel: Channel, code: int, text: str, method: wire.Method = (0, 0)) -> None:
        if channel.number in self._channels:
            data = wire.write(channel.number, wire.CHANNEL_CLOSE, "BsBB", code, text, *method)
            self._socket.reply(data, channel.tell_the_end)
            self._end_channel(channel, broken=True)

    def _end(self, *, broken: bool) -> None:
        if self._is_over:
            return
        self._is_over = True
        if self._rabbit.is_last_close and not broken:
            held = [copy.message for each in self._channels.values() for copy, _, _ in each.unacked.values()]
            self._vhost.judge.closed(held)
        for channel in list(self._channels.values()):
            self._end_channel(channel, broken=broken)
        self._rabbit.sessions.remove(self)
        self._excuse_unseen()

    def _excuse_unseen(self) -> None:
        """What was published over this connection, and will be sent again: nobody reads its confirm any more."""
        unseen, self._unseen = self._unseen, Counter()
        for message, count in unseen.items():
            if count > 0:
                self._vhost.judge.excused[message] += count
                self._rabbit.published[message] = max(0, self._rabbit.published[message] - count)

    def note_closed(self) -> None:
        """The client may have closed it before we hear of that, for example while we are silent."""
        if self._socket.is_closed:
            self._excuse_unseen()

    def _end_channel(self, channel: Channel, *, broken: bool) -> None:
        """What it held goes back; a message that was published anew over this connection has two copies then."""
        self._channels.pop(channel.number, None)
        for tag in list(channel.consumers):
            self._remove_consumer(channel, tag)
        held, channel.unacked = channel.unacked, {}
        judge, published = self._vhost.judge, self._rabbit.published
        judge.disasters += bool(held) and not self._rabbit.is_last_close
        for copy, _, _ in held.values():
            self._rabbit.alarmed[copy.message] = 0
            if broken and published[copy.message]:
                published[copy.message] -= 1
                judge.excused[copy.message] += 1
            elif broken:
                self._rabbit.torn[copy.message] = self._vhost.clock.now, partial(self._knows, channel)
            judge.copies(copy.message, self._vhost.copies[copy.message], underway=self._unseen[copy.message])
        for copy, queue, _ in reversed(held.values()):
            self._vhost.put_back(queue, copy)

    def _say(self, channel: int, method: wire.Method, letters: str = "", *values: Any) -> None:
        self._socket.reply(wire.write(channel, method, letters, *values))


_Handler = Callable[[AmqpSession, Channel, list[Any]], None]
_HANDLERS: dict[wire.Method, _Handler] = {
    wire.START_OK: AmqpSession._start_ok,
    wire.TUNE_OK: AmqpSession._nothing,
    wire.OPEN: AmqpSession._open,
    wire.CLOSE: AmqpSession._close,
    wire.CLOSE_OK: AmqpSession._close_ok,
    wire.CHANNEL_OPEN: AmqpSession._channel_open,
    wire.CHANNEL_CLOSE: AmqpSession._channel_close,
    wire.EXCHANGE_DECLARE: AmqpSession._exchange_declare,
    wire.QUEUE_DECLARE: AmqpSession._queue_declare,
    wire.QUEUE_BIND: AmqpSession._queue_bind,
    wire.QOS: AmqpSession._qos,
    wire.CONSUME: AmqpSession._consume,
    wire.CANCEL: AmqpSession._cancel,
    wire.PUBLISH: AmqpSession._publish,
    wire.ACK: AmqpSession._ack,
    wire.GET: AmqpSession._get,
    wire.CANCEL_OK: AmqpSession._nothing,
    wire.CHANNEL_CLOSE_OK: AmqpSession._nothing,
    wire.REJECT: AmqpSession._reject,
    wire.SELECT: AmqpSession._select,
}
