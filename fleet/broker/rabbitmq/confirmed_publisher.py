"""Confirmed publishing: pipelined, so that a batch costs one round trip, and never into nothing.

What the broker does not take is told message by message, as Refused: whoever asked keeps those, and does not
publish the others again. A channel that the broker closes over it (no right, no such exchange) is replaced; the
connection lives on.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from amqp import spec
from amqp.exceptions import ChannelError

from fleet.broker.delivery import BrokerUnavailable, MessageTooLarge, Posting, Refused
from fleet.broker.rabbitmq import frames
from fleet.broker.rabbitmq.connection import ANSWER_SECONDS, AmqpConnection, too_large
from fleet.broker.rabbitmq.delays import DelayQueues
from fleet.clock import time
from fleet.protocol import Encoded
from fleet.protocol.words import cause

_WINDOW = 500  # unconfirmed messages at most
_AT_ONCE = 50  # messages with one write: the broker is to begin while we go on
_BYTES_AT_ONCE = 1 << 20
# No queue has this name: RabbitMQ says yes and drops it, or says that it takes nothing now.
# Two: with an alarm it still takes the first one of a connection, and may confirm it before it says that it blocks.
_PROBES = tuple(Posting("fleet.nowhere", Encoded(b"", {}, {})) for _ in range(2))
_PROBE_AFTER_SECONDS = 0.2  # without a confirmation


_Addressed = tuple[Posting, str, str]  # with its exchange and routing key


def _batches(addressed: Sequence[_Addressed]) -> Iterator[list[_Addressed]]:
    """So many at once, and no more bytes than that: each is copied into what is written."""
    batch: list[_Addressed] = []
    size = 0
    for each in addressed:
        batch.append(each)
        size += len(each[0].message.body)
        if len(batch) == _AT_ONCE or size >= _BYTES_AT_ONCE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def unwritable(posting: Posting, frame_max: int) -> str:
    """Why no frames can be made of it; "" when they can."""
    try:
        frames.check(posting.message, frame_max)
    except Exception as error:
        return cause(error)
    return ""


class ConfirmedPublisher:
    """Publishes on a channel of its own. Raises Refused, or BrokerUnavailable when the connection is of no use."""

    def __init__(self, connection: AmqpConnection, apart: Collection[str] = ()) -> None:
        """`apart`: queues that may be full and refuse; what waits for them must not be in others' way."""
        self._connection = connection
        self._delays = DelayQueues(connection, apart)
        self._unconfirmed: dict[int, Posting] = {}  # by sequence number
        self._late: dict[int, Posting] = {}  # by identity: taken after we had given up waiting for it
        self._abandoned: set[int] = set()  # sequence numbers of what we have given up waiting for
        self._confirmed: dict[int, Posting] = {}  # by identity: taken since `publish` was called
        self._refused: dict[int, tuple[Posting, str]] = {}  # by identity
        self._returns: set[int] = set()  # identities of those of them that have no queue
        self._closed: str | None = None  # why the broker has closed the channel
        self._confirmed_at = float("-inf")  # monotonic
        self._may_probe = True
        self._open()

    def _open(self) -> None:
        self._sequence = 0
        self._unconfirmed.clear()
        self._abandoned.clear()
        self._closed = None
        with self._connection.guard():
            self._channel = self._connection.amqp.channel()
            self._channel._callbacks[spec.Channel.Close] = self._on_closed
            self._channel.confirm_select()
        self._channel.events["basic_ack"].add(self._on_confirmed)
        self._channel.events["basic_nack"].add(self._on_refused)
        self._channel.events["basic_return"].add(self._on_returned)

    def is_apart(self, queue: str) -> None:
        """Note a queue that may be full and refuse."""
        self._delays.apart.add(queue)

    def look(self) -> None:
        """Raises BrokerUnavailable or Refused if it would do so whatever is published, and nothing of that is sent."""
        self.refuse_while_blocked()
        if time.monotonic() - self._confirmed_at > _PROBE_AFTER_SECONDS:
            self.probe()

    def probe(self) -> None:
        """Raises Refused when the broker takes no messages at all now, before one of ours is on its way."""
        if not self._may_probe:
            return
        try:
            self._publish(_PROBES, mandatory=False)
        except _ChannelClosedError as error:
            # No right to publish to the default exchange: to another there may be.
            self._may_probe = "ACCESS_REFUSED" not in str(error)
        except Refused:
            if self._connection.blocked is not None:
                raise

    def publish(self, postings: Sequence[Posting]) -> None:
        """Confirmed, pipelined: all are on the broker when this returns. Raises BrokerUnavailable, or Refused.

        What was refused because the broker takes nothing now may still be on its way: publish the same Posting
        again, and it is waited for and not sent twice.
        """
        self._confirmed.clear()
        left = self._not_taken(postings)
        if not left:
            return
        try:
            self.look()
            self._publish(left)
        except _ChannelClosedError:
            self._one_by_one(self.unconfirmed(left))
        except Refused as error:
            if self._connection.blocked is None:
                raise
            if left := self.unconfirmed(left):
                raise Refused(str(error), left) from error

    def unconfirmed(self, postings: Sequence[Posting]) -> list[Posting]:
        """The postings of the last `publish` that the broker is not known to have taken, however it ended."""
        return [each for each in postings if self._confirmed.get(id(each)) is not each]

    def _not_taken(self, postings: Sequence[Posting]) -> Sequence[Posting]:
        if not self._late and not self._abandoned:
            return postings
        while self._connection.read(0):  # what has come since
            pass
        if self._closed is not None:
            self._replace_channel()
        for each in postings:
            if self._late.pop(id(each), None) is each:
                self._confirmed[id(each)] = each
        return self.unconfirmed(postings)

    def _one_by_one(self, postings: Sequence[Posting]) -> None:
        """Publish singly: one posting cost the channel, nobody knows which. Unconfirmed ones before it may come twice.

        Once more also when there is only one: its delay queue may have been deleted, and is made now.
        """
        refused, reason = [], ""
        oversized: MessageTooLarge | None = None
        for posting in postings:
            try:
                self._publish([posting])
            except (_ChannelClosedError, Refused) as error:
                if not self.unconfirmed([posting]):
                    continue
                oversized = oversized or too_large(self._connection.masked_url, str(error))
                refused.append(posting)
                reason = str(error)
        if oversized is not None:
            raise oversized
        if refused:
            raise Refused(reason, refused)

    def _publish(self, postings: Sequence[Posting], *, mandatory: bool = True) -> None:
        self._refused.clear()
        self._returns.clear()
        if self._channel.connection is None:
            raise BrokerUnavailable(f"{self._connection.masked_url}: the connection is closed")
        addressed = self._addressed(postings)
        on_their_way = self._wait_for_again({id(posting) for posting in postings})
        fresh = [each for each in addressed if id(each[0]) not in on_their_way]
        for batch in _batches(fresh):
            self._write(batch, mandatory=mandatory)
            if len(self._unconfirmed) >= _WINDOW:
                self._await_confirms(_WINDOW // 2)
        self._await_confirms(0)
        refused = [self._refused[id(posting)] for posting in postings if id(posting) in self._refused]
        if refused:
            postings = [posting for posting, _ in refused]
            is_nowhere = all(id(posting) in self._returns for posting in postings)
            raise Refused(refused[0][1], postings, is_nowhere=is_nowhere)

    def _wait_for_again(self, wanted: set[int]) -> set[int]:
        """Which of these (by identity) are on their way since an earlier call."""
        numbers = {number for number in self._abandoned if id(self._unconfirmed[number]) in wanted}
        self._abandoned -= numbers
        return {id(self._unconfirmed[number]) for number in numbers}

    def _addressed(self, postings: Sequence[Posting]) -> list[tuple[Posting, str, str]]:
        """Each with its exchange and routing key. Those whose delay queue can't be made are refused."""
        addressed = []
        for posting in postings:
            if posting.delay_seconds > 0:
                try:
                    exchange = self._delays.exchange(posting.delay_seconds, posting.queue)
                except Refused as error:
                    self._refused[id(posting)] = posting, str(error)
                    continue
                addressed.append((posting, exchange, posting.queue))
            elif posting.exchange:
                addressed.append((posting, posting.exchange, posting.routing_key))
            else:
                addressed.append((posting, "", posting.queue))
        return addressed

    def _write(self, addressed: Sequence[tuple[Posting, str, str]], *, mandatory: bool) -> None:
        channel, frame_max = self._channel.channel_id, self._connection.amqp.frame_max
        with self._connection.guard():
            # All before the first is counted: one that can't be written raises, and would be waited for.
            written = b"".join(
                frames.publish(each.message, channel, (exchange, key), frame_max, mandatory=mandatory)
                for each, exchange, key in addressed
            )
            for posting, _, _ in addressed:
                self._sequence += 1
                self._unconfirmed[self._sequence] = posting
            self._connection.write(written)

    def _await_confirms(self, most: int) -> None:
        deadline = time.monotonic() + ANSWER_SECONDS
        while len(self._unconfirmed) > most:
            if self._closed is not None:
                raise self._replace_channel()
            self.refuse_while_blocked()
            left = deadline - time.monotonic()
            heard = left > 0 and self._connection.read(min(left, self._connection.patience_seconds))
            if not heard:
                raise BrokerUnavailable(self._not_confirmed())

    def refuse_while_blocked(self) -> None:
        """Raises Refused while the broker is known to read nothing from us: an answer would never come."""
        if self._connection.blocked is None:
            return
        self._connection.read(0)
        if (reason := self._connection.blocked) is not None:
            self._abandoned.update(self._unconfirmed)
            raise Refused(f"{self._connection.masked_url}: {takes_nothing(reason)}")

    def _replace_channel(self) -> _ChannelClosedError:
        error = _ChannelClosedError(f"{self._connection.masked_url}: {self._closed}")
        self._delays.forget()
        with self._connection.guard():
            self._channel.collect()
        self._open()
        return error

    def _not_confirmed(self) -> str:
        connection = self._connection
        return (
            f"{connection.masked_url}: {len(self._unconfirmed)} published messages not confirmed: silent for "
            f"{connection.patience_seconds:g} s, or {ANSWER_SECONDS:g} s in all"
        )

    def _on_confirmed(self, sequence: int, multiple: bool) -> None:
        self._confirmed_at = time.monotonic()
        for number in self._numbers(sequence, multiple):
            posting = self._unconfirmed.pop(number)
            if number in self._abandoned:
                self._abandoned.discard(number)
                self._late[id(posting)] = posting
            else:
                self._confirmed[id(posting)] = posting

    def _numbers(self, sequence: int, multiple: bool) -> list[int]:
        if multiple:
            return [number for number in self._unconfirmed if number <= sequence]
        return [sequence] if sequence in self._unconfirmed else []

    def _on_refused(self, sequence: int, multiple: bool) -> None:
        for number in self._numbers(sequence, multiple):
            posting = self._unconfirmed.pop(number)
            self._abandoned.discard(number)
            self._note(posting, f"the broker refused a message for queue {posting.queue!r} (is it full?)")

    def _on_returned(self, _error: Exception, exchange: str, routing_key: str, message: Any) -> None:
        """Comes before the confirmation, which says no more than that the broker is done with it."""
        found = self._returned(message)
        if found is None:
            return
        number, posting = found
        del self._unconfirmed[number]
        self._abandoned.discard(number)
        where = f"exchange {exchange!r}" if exchange else "a queue of that name"
        self._returns.add(id(posting))
        self._note(
            posting, f"nothing takes messages for {routing_key!r}: {where} has no such binding or is gone"
        )
        self._delays.forget()

    def _note(self, posting: Posting, reason: str) -> None:
        self._refused[id(posting)] = posting, f"{self._connection.masked_url}: {reason}"

    def _returned(self, message: Any) -> tuple[int, Posting] | None:
        body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
        headers = message.properties.get("application_headers") or {}
        for number, posting in self._unconfirmed.items():
            if posting.message.body == body and posting.message.headers.get("id") == headers.get("id"):
                return number, posting
        return None

    def _on_closed(self, reply_code: int, reply_text: str, _class_id: int, _method_id: int) -> None:
        """In place of py-amqp's, which opens the channel again, but not as one that confirms."""
        self._channel.send_method(spec.Channel.CloseOk)
        self._closed = reply_text or f"the channel was closed: {reply_code}"


class _ChannelClosedError(ChannelError):  # type: ignore[misc]  # py-amqp has no types
    """The broker has closed the publishing channel over one of the messages; there is a new one."""


def takes_nothing(reason: str) -> str:
    """RabbitMQ's alarm in words; `reason` is its own, "low on memory"."""
    return f"RabbitMQ takes no messages now, it is {reason} (an alarm blocks whoever publishes)"
