"""Confirmed publishing: pipelined, so that a batch costs one round trip, and never into nothing.

Delays live in the broker: a message waits in a queue of its delay, whose TTL sends it on to its own queue.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from fleet.broker.delivery import BrokerUnavailable, Posting
from fleet.broker.rabbit import frames
from fleet.broker.rabbit.connection import ANSWER_SECONDS, AmqpConnection
from fleet.broker.topology import MAX_DELAY_MILLISECONDS, delay_milliseconds, delay_queue

_WINDOW = 500  # unconfirmed messages at most
_AT_ONCE = 50  # messages with one write: the broker is to begin while we go on
_DELAY_QUEUE_LINGERS = 60_000  # ms that an unused delay queue outlives its longest message


class AmqpPublisher:
    """Publishes on a channel of its own. Raises BrokerUnavailable."""

    def __init__(self, connection: AmqpConnection) -> None:
        self._connection = connection
        self._unconfirmed: dict[int, str] = {}  # sequence number → queue
        self._sequence = 0
        self._lost: list[str] = []
        with connection.guard():
            self._channel = connection.amqp.channel()
            self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._on_confirmed)
        self._channel.events["basic_nack"].add(self._on_refused)
        self._channel.events["basic_return"].add(self._on_returned)

    def publish(self, postings: Sequence[Posting]) -> None:
        """Confirmed, pipelined: all are on the broker when this returns. Raises BrokerUnavailable."""
        for first in range(0, len(postings), _AT_ONCE):
            self._write(postings[first : first + _AT_ONCE])
            if len(self._unconfirmed) >= _WINDOW:
                self._await_confirms(_WINDOW // 2)
        self._await_confirms(0)

    def _write(self, postings: Sequence[Posting]) -> None:
        with self._connection.guard():
            if self._channel.connection is None:
                raise BrokerUnavailable(f"{self._connection.masked_url}: the connection is closed")
            # All before the first is counted: one that can't be written raises, and would be waited for.
            written = b"".join(map(self._frames, postings))
            for posting in postings:
                self._sequence += 1
                self._unconfirmed[self._sequence] = posting.queue
            self._connection.write(written)

    def _frames(self, posting: Posting) -> bytes:
        exchange, key = self._address(posting)
        return frames.publish(
            posting.message, self._channel.channel_id, exchange, key, self._connection.amqp.frame_max
        )

    def _address(self, posting: Posting) -> tuple[str, str]:
        if posting.delay_seconds > 0:
            return self._delay(posting.delay_seconds), posting.queue
        if posting.exchange:
            return posting.exchange, posting.routing_key
        return "", posting.queue

    def _delay(self, seconds: float) -> str:
        """The exchange in front of a queue where messages wait and then go home by their routing key.

        Declared before every use: that is what keeps an unused queue from expiring under a message.
        """
        milliseconds = min(delay_milliseconds(seconds), MAX_DELAY_MILLISECONDS)
        name = delay_queue(milliseconds)
        arguments = {
            "x-message-ttl": milliseconds,
            "x-expires": milliseconds + _DELAY_QUEUE_LINGERS,
            "x-dead-letter-exchange": "",
        }
        self._channel.exchange_declare(name, "fanout", durable=True, auto_delete=True)
        self._channel.queue_declare(name, durable=True, auto_delete=False, arguments=arguments)
        self._channel.queue_bind(name, name)
        return name

    def _await_confirms(self, most: int) -> None:
        deadline = time.monotonic() + ANSWER_SECONDS
        while len(self._unconfirmed) > most and not self._lost:
            left = deadline - time.monotonic()
            heard = left > 0 and self._connection.read(min(left, self._connection.patience_seconds))
            if not heard:
                raise BrokerUnavailable(self._not_confirmed())
        if self._lost:
            raise BrokerUnavailable(f"{self._connection.masked_url}: {self._lost[0]}")

    def _not_confirmed(self) -> str:
        connection = self._connection
        return (
            f"{connection.masked_url}: {len(self._unconfirmed)} published messages not confirmed: silent for "
            f"{connection.patience_seconds:g} s, or {ANSWER_SECONDS:g} s in all; a memory or disk alarm "
            f"blocks publishers"
        )

    def _on_confirmed(self, sequence: int, multiple: bool) -> None:
        if not multiple:
            self._unconfirmed.pop(sequence, None)
            return
        for number in [number for number in self._unconfirmed if number <= sequence]:
            del self._unconfirmed[number]

    def _on_refused(self, sequence: int, multiple: bool) -> None:
        queue = self._unconfirmed.get(sequence, "?")
        self._on_confirmed(sequence, multiple)
        self._lost.append(f"the broker refused a message for queue {queue!r} (is it full?)")

    def _on_returned(self, error: Exception, exchange: str, routing_key: str, message: object) -> None:
        where = f"exchange {exchange!r}" if exchange else "a queue of that name"
        self._lost.append(
            f"nothing takes messages for {routing_key!r}: {where} has no such binding or is gone"
        )
