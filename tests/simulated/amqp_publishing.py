"""Publishers of the simulated RabbitMQ: routing, returns, confirms; and how these go wrong."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from functools import partial
from typing import Any

from tests.simulated import amqp_frames as wire
from tests.simulated.amqp_consuming import CONTENT, LATE_SECONDS, Channel, Content
from tests.simulated.amqp_queues import Vhost
from tests.simulated.choices import Choices
from tests.simulated.network import Socket

PUBLISHING = ("nack", "confirm late", "confirm with the next", "alarm", "ended by the broker")


class Publishing:
    """That part of AmqpSession."""

    _rabbit: Any
    _vhost: Vhost
    _choices: Choices
    _socket: Socket
    _is_over: bool
    _opened_at: float
    _unseen: Counter[str]
    _unaware: deque[int]
    _channels: dict[int, Channel]
    _close_by_broker: Callable[[], None]
    _say: Callable[..., None]

    def _select(self, channel: Channel, _values: list[Any]) -> None:
        channel.confirms = True
        self._say(channel.number, wire.SELECT_OK)

    def _publish(self, channel: Channel, values: list[Any]) -> None:
        channel.content = Content(*values[1:4])

    def _on_content(self, channel: Channel, kind: int, payload: bytes) -> None:
        content = channel.content
        assert content is not None, "content without a method"
        if kind == wire.HEADER:
            content.handouts = self._unaware.popleft() if self._unaware else None
            content.size = CONTENT.unpack_from(payload)[2]
            content.properties = payload[CONTENT.size :]
        else:
            content.body += payload
        if len(content.body) >= content.size:
            channel.content = None
            self._on_message(channel, content)

    def _on_message(self, channel: Channel, content: Content) -> None:
        channel.sequence += 1
        queues = self._vhost.route(content.exchange, content.key)
        trouble = self._choices.fault("publish", PUBLISHING)
        if trouble == "alarm":
            self._rabbit.refuse_for_memory(LATE_SECONDS[self._choices.how_much(4)])
        is_refused = trouble == "nack" or any(
            each.is_full and each.arguments.get("x-overflow") == "reject-publish" for each in queues
        )
        if is_refused:
            self._confirm(channel, "", is_refused=True)
            return
        if not queues and content.mandatory:
            self._return(channel, content)
        message = ""
        for queue in queues:
            message = self._vhost.put(queue, content.properties, content.body, content.key)
            self._on_put(message, content.handouts)
        if trouble == "ended by the broker":
            self._close_by_broker()
            return
        late = LATE_SECONDS[self._choices.how_much(4)] if trouble == "confirm late" else 0.0
        self._confirm(channel, message, postpone=trouble == "confirm with the next", late=late)

    def _on_put(self, message: str, handouts: int | None) -> None:
        judge, held = self._vhost.judge, self._rabbit.held(message)
        if self._socket.is_closed:
            judge.excused[message] += 1  # nobody waits any more for the confirmation
            judge.copies(message, self._vhost.copies[message], underway=held)
            return
        for each in self._rabbit.sessions:
            each.note_closed()
        self._rabbit.published[message] += bool(held)
        alarmed = self._rabbit.alarmed
        if handouts is not None and held and judge.fates[message].handed_out == handouts:
            alarmed[message] += 1  # the client may wait for this one, or do something else with the old copy
        elif handouts is not None:
            judge.excused[message] += 1  # it has given the old copy back meanwhile
        elif held and alarmed[message]:
            alarmed[message] -= 1
            judge.excused[message] += 1
        elif self._unseen[message] > 0:
            judge.excused[message] += 1  # sent again: nobody had told that it is here
        elif not held and self._could_not_know(message):
            judge.excused[message] += 1
        self._unseen[message] += 1
        judge.copies(message, self._vhost.copies[message], underway=held)

    def _could_not_know(self, message: str) -> bool:
        """Whether this was sent before the client saw that the old copy had been taken from it."""
        when, knows = self._rabbit.torn.pop(message, (-1.0, lambda: True))
        return self._opened_at <= when or not knows()

    def holds(self, message: str) -> int:
        return sum(
            copy.message == message
            for each in self._channels.values()
            for copy, _, _ in each.unacked.values()
        )

    def _confirm(
        self,
        channel: Channel,
        message: str,
        *,
        is_refused: bool = False,
        postpone: bool = False,
        late: float = 0.0,
    ) -> None:
        if not channel.confirms:
            return
        if is_refused:
            self._socket.reply(
                wire.write(channel.number, wire.NACK, "Lb", channel.sequence, False), late=late
            )
            return
        channel.unconfirmed.append((channel.sequence, message))
        if postpone:
            self._vhost.clock.after(0.02, partial(self._confirm_all, channel))
        else:
            self._confirm_all(channel, late=late)

    def _confirm_all(self, channel: Channel, *, late: float = 0.0) -> None:
        """That one, and those before it that were to wait for it."""
        confirmed, channel.unconfirmed = channel.unconfirmed, []
        if self._is_over or not confirmed:
            return
        data = wire.write(channel.number, wire.ACK, "Lb", confirmed[-1][0], len(confirmed) > 1)
        self._socket.reply(data, partial(self._seen, [message for _, message in confirmed]), late=late)

    def _seen(self, messages: list[str]) -> None:
        self._unseen.subtract(messages)

    def _return(self, channel: Channel, content: Content) -> None:
        reason = (312, "NO_ROUTE", content.exchange, content.key)
        header = CONTENT.pack(60, 0, len(content.body)) + content.properties
        self._socket.reply(
            wire.write(channel.number, wire.RETURN, "Bsss", *reason)
            + wire.frame(wire.HEADER, channel.number, header)
            + wire.frame(wire.BODY, channel.number, content.body)
        )
