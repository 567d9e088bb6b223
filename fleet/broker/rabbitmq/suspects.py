"""Messages of RabbitMQ queues that may have killed their workers: set aside in `<queue>.suspects`, taken one by one.

The broker counts whatever an ended worker held, also what only waited in it. A suspect that was handed out as
others are would sooner or later wait beside something that kills the worker, and be counted for that. So it lies in
a queue that nobody consumes; a worker that has nothing else asks for one (basic.get), and only what happens to it
then can be its last chance. See docs/decisions/0052.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from amqp.exceptions import AMQPError, NotFound

from fleet.broker.delivery import Delivery
from fleet.broker.rabbitmq.connection import AmqpConnection
from fleet.broker.rabbitmq.inbound import Arrived
from fleet.broker.rabbitmq.queues import make_queue
from fleet.broker.reposting import CRASHES_HEADER, handed_out
from fleet.broker.topology import suspects_queue
from fleet.clock import time

# Often at first: what a dead connection held is back in its queue a moment later than its worker's successor is here.
# Then those of a worker whose host has gone for good are found by others, in time.
_FIRST_LOOKS_SECONDS = 0.25
_LOOK_SECONDS = 60.0
_AFTER_AN_OUTAGE_SECONDS = 10.0
# Where there is no such queue the broker writes an error into its log each time that somebody asks.
_ABSENT_SECONDS = 600.0


class SuspectRule:
    """Who is a suspect: what has been handed out `most` times by now, and is not known to be innocent.

    `most` None: nobody is, and nothing is recounted on queues that count for themselves, which are `counting`.
    `culprit_known`: where tasks run in processes of their own, a message's own count says that it has ended those;
    it is not suspected of more. `is_ours`: whether a message that came back is one that this worker has never
    stopped running.
    """

    def __init__(self) -> None:
        self.most: int | None = None
        self.counting: Collection[str] = ()
        self.culprit_known = False
        self.is_ours: Callable[[Delivery], bool] = lambda _delivery: False

    def came_back(self, delivery: Delivery) -> bool:
        """Whether its holder has ended, so that it has to be published again with its count."""
        if delivery.alone or delivery.attempt < 2 or self.is_ours(delivery):
            return False
        # A quorum queue counts, but drops what reaches its x-delivery-limit: it is not to get that far.
        return self.most is not None or delivery.queue not in self.counting

    def suspects(self, delivery: Delivery) -> bool:
        """Whether it is to be set aside."""
        if self.most is None or delivery.alone or self.is_ours(delivery):
            return False
        if delivery.attempt < 2 and (self.culprit_known or CRASHES_HEADER not in delivery.headers):
            return False
        return handed_out(delivery) >= self.most


class Suspects:
    """Of the queues of one connection. Raises BrokerUnavailable."""

    def __init__(self, connection: AmqpConnection, queues: Iterable[str], *, is_first: bool) -> None:
        """`is_first`: of its worker. Else the broker has been away, and who runs them may be back in a moment."""
        self._connection = connection
        self._queues = tuple(queues)
        self._made: set[str] = set()
        self._refused: set[str] = set()  # queues whose suspects have no place of their own
        self._waiting: set[str] = set()  # queues of which some may be there
        self._absent_until: dict[str, float] = {}  # monotonic; queues that have no suspects' queue, lately
        self._pause = _FIRST_LOOKS_SECONDS
        self._look_at = 0.0 if is_first else time.monotonic() + _AFTER_AN_OUTAGE_SECONDS

    def expect(self, queue: str) -> None:
        self._waiting.add(queue)

    def waiting(self, skipped: frozenset[str]) -> bool:
        return not self._waiting <= skipped

    def look(self) -> None:
        """Who is there, if that has not been asked lately: others may have left them."""
        now = time.monotonic()
        if now < self._look_at:
            return
        self._look_at = now + self._pause
        self._pause = min(2 * self._pause, _LOOK_SECONDS)
        for queue in self._queues:
            if now < self._absent_until.get(queue, 0.0):
                continue
            count = self._count(suspects_queue(queue))
            if count is None:
                self._absent_until[queue] = now + _ABSENT_SECONDS
            elif count:
                self._waiting.add(queue)

    def look_again(self) -> None:
        """Who is still there, of those that are known of."""
        self._waiting = {queue for queue in self._waiting if self._count(suspects_queue(queue))}

    def _count(self, name: str) -> int | None:
        """None: there is no such queue, or not for us."""
        with self._connection.guard():
            try:
                with self._connection.channel() as channel:
                    return int(channel.queue_declare(name, passive=True).message_count)
            except AMQPError as error:
                if not _is_refusal(error):
                    raise
                return None

    def place(self, queue: str) -> str | None:
        """The queue for suspects of `queue`, made if need be; None: the broker does not allow it.

        Who has put one there says so with `expect`: to look for what is not there gives back all that waits.
        """
        name = suspects_queue(queue)
        if queue in self._refused:
            return None
        if queue not in self._made:
            try:
                make_queue(self._connection, name)
            except ConnectionError as error:
                if not _is_refusal(error.__cause__):
                    raise
                self._refused.add(queue)
                return None
            self._made.add(queue)
            self._absent_until.pop(queue, None)
        return name

    def take(self, channel: Any, skipped: frozenset[str]) -> tuple[str, Arrived] | None:
        """One suspect, and its queue; None when there is none. The suspect is settled on that channel."""
        for queue in self._queues:
            if queue not in self._waiting or queue in skipped:
                continue
            with self._connection.guard():
                try:
                    message = channel.basic_get(suspects_queue(queue))
                except NotFound:  # deleted: that has closed the channel
                    self._waiting.discard(queue)
                    raise
            if message is not None:
                return queue, message_arrived(message)
            self._waiting.discard(queue)
        return None


def _is_refusal(error: BaseException | None) -> bool:
    """Of this one thing, on a channel of its own: the connection is as good as before."""
    return getattr(error, "code", None) in (403, 404, 405, 406)


def message_arrived(message: Any) -> Arrived:
    """What basic.get has brought, as what is pushed arrives."""
    info, body = message.delivery_info, message.body
    raw = body.encode() if isinstance(body, str) else bytes(body)
    return Arrived("", info["delivery_tag"], bool(info["redelivered"]), dict(message.properties), raw)


def divide(
    deliveries: Sequence[Delivery], rule: SuspectRule
) -> tuple[list[Delivery], list[Delivery], list[Delivery]]:
    """Deliveries to run as they are; to publish again with their count; to set aside."""
    fine: list[Delivery] = []
    back: list[Delivery] = []
    suspects: list[Delivery] = []
    for each in deliveries:
        if rule.suspects(each):
            suspects.append(each)
        elif rule.came_back(each):
            back.append(each)
        else:
            fine.append(each)
    return fine, back, suspects
