"""The outgoing connection of a worker: publishes retries, dead letters and what it gives back.

Not by the one that consumes: a broker with a memory or disk alarm stops reading from whoever publishes, acks and all,
and a connection that it closes over a message would give out again all that runs. It is opened when first needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from amqp.exceptions import ChannelError

from fleet.broker.delivery import BrokerUnavailable, Posting, Refused
from fleet.broker.rabbitmq.confirmed_publisher import ConfirmedPublisher
from fleet.broker.rabbitmq.connection import AmqpConnection
from fleet.broker.rabbitmq.queues import make_dead_letter_queue, make_queue, may_refuse
from fleet.clock import time
from fleet.spec import BrokerSpec, QueueSpec

_LATER_SECONDS = 1.0
# After a connection failed: the next message is refused at once. It is the loop that would wait, for each of them.
_PAUSE_SECONDS = 2.0


class Outgoing:
    """Of one worker, for one thread, `renew` excepted. Whatever goes wrong is Refused: consuming goes on."""

    def __init__(
        self,
        broker: BrokerSpec,
        queues: Sequence[QueueSpec],
        dead_letters: Sequence[QueueSpec],
        *,
        identity: str,
        check: Callable[[], object] = lambda: None,
    ) -> None:
        """`check` raises BrokerUnavailable where what is published has lost its reason; then it is not."""
        self._check = check
        self._broker = broker
        self._identity = identity
        self._own = {queue.name for queue in queues}
        self._declared = {queue.name: queue for queue in dead_letters}
        self.found_full: set[str] = set()  # queues that were so, and whose messages come due apart since
        self._apart = {queue.name for queue in (*queues, *dead_letters) if may_refuse(queue)}
        self._made: set[str] = set()
        self._failed: tuple[float, str] = (float("-inf"), "")  # until when (monotonic) not to try, and why
        self._connection: AmqpConnection | None = None
        self._publisher: ConfirmedPublisher | None = None
        self._left: Sequence[Posting] = ()  # of those that are being published: not known to be taken

    def publish(self, postings: Sequence[Posting], *, or_later: bool = False) -> None:
        """Confirmed; raises Refused. `or_later`: what its queue refuses waits in the broker until there is room."""
        self._left = postings
        try:
            try:
                self._publish(postings)
            except Refused as error:
                refused = error.postings or postings  # no name: it has taken none
                left: Sequence[Posting] = refused
                self._left = refused
                if or_later and not error.is_nowhere:
                    left = self._postpone(refused)
                if left:
                    raise Refused(str(error), left, is_nowhere=error.is_nowhere) from error
        except (Refused, _VoidError):
            raise
        except BrokerUnavailable as error:
            # What is confirmed is not to be sent again, whatever has become of the others.
            still = self._publisher.unconfirmed(self._left) if self._publisher is not None else self._left
            if not isinstance(error.__cause__, ChannelError):  # then only a channel is lost
                self.close()
                self._failed = time.monotonic() + _PAUSE_SECONDS, str(error)
            if still:
                raise Refused(str(error), still) from error

    def _publish(self, postings: Sequence[Posting]) -> None:
        connection, publisher = self._open()
        try:
            publisher.look()
        except Refused as error:
            raise Refused(str(error), postings) from error
        except BrokerUnavailable:  # it ended while it was idle
            self.close()
            connection, publisher = self._open()
        if connection.blocked is None:
            for name in {posting.queue for posting in postings} - self._own - self._made:
                self._make(connection, name)
        self._check_reason()
        try:
            publisher.publish(postings)
        except Refused as error:
            # Somebody may have deleted it: look before the next time.
            self._made -= {posting.queue for posting in error.postings}
            raise

    def _check_reason(self) -> None:
        """Again and again: to open a connection and to wait for an answer takes its time."""
        try:
            self._check()
        except BrokerUnavailable as error:
            raise _VoidError(str(error)) from error

    def _postpone(self, refused: Sequence[Posting]) -> Sequence[Posting]:
        """Into the queue of a delay, which hands it over when there is room; those that it can't take."""
        if self._connection is None or self._publisher is None:
            return refused
        connection, publisher = self._connection, self._publisher
        if connection.blocked is not None or any(posting.delay_seconds for posting in refused):
            return refused
        for posting in refused:
            publisher.is_apart(posting.queue)
        still: Sequence[Posting] = ()
        self._check_reason()
        later = [posting._replace(delay_seconds=_LATER_SECONDS) for posting in refused]
        try:
            publisher.publish(later)
        except Refused as error:
            left = {id(posting) for posting in error.postings}
            still = [each for each, delayed in zip(refused, later, strict=True) if id(delayed) in left]
        except BrokerUnavailable:
            left = {id(posting) for posting in publisher.unconfirmed(later)}
            self._left = [each for each, delayed in zip(refused, later, strict=True) if id(delayed) in left]
            raise
        self.found_full |= {posting.queue for posting in refused if posting not in still}
        return still

    def _open(self) -> tuple[AmqpConnection, ConfirmedPublisher]:
        if self._connection is None or self._publisher is None:
            until, reason = self._failed
            if time.monotonic() < until:
                raise Refused(reason)
            self._made.clear()
            connection = AmqpConnection(self._broker, name=f"{self._identity} publishes")
            try:
                self._publisher = ConfirmedPublisher(connection, self._apart | self.found_full)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection, self._publisher

    def _make(self, connection: AmqpConnection, name: str) -> None:
        if name in self._declared:
            make_dead_letter_queue(connection, self._declared[name])
        else:
            make_queue(connection, name)
        self._made.add(name)

    def renew(self) -> None:
        """Heartbeat; from any thread."""
        connection = self._connection
        if connection is not None:
            with suppress(BrokerUnavailable):  # the next message finds out
                connection.beat_now()

    def close(self) -> None:
        connection, self._connection, self._publisher = self._connection, None, None
        if connection is not None:
            connection.close()


class _VoidError(BrokerUnavailable):
    """Not of the connection that publishes: the one that has delivered has ended."""
