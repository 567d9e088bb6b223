"""The line to RabbitMQ: consumers with acknowledgements, on one connection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from fleet.broker.consumer import Subscription
from fleet.broker.delivery import BrokerUnavailable, Delivery, Posting, Refused
from fleet.broker.rabbitmq.confirmed_publisher import unwritable
from fleet.broker.rabbitmq.connection import AmqpConnection
from fleet.broker.rabbitmq.due import Due
from fleet.broker.rabbitmq.in_order import InOrder
from fleet.broker.rabbitmq.inbound import Arrived
from fleet.broker.rabbitmq.outgoing import Outgoing
from fleet.broker.rabbitmq.queue_consumers import Consumers
from fleet.broker.rabbitmq.queues import declare, exists, make_due_queue, may_refuse
from fleet.broker.rabbitmq.suspects import SuspectRule, Suspects, divide, message_arrived
from fleet.broker.reposting import CRASHES_HEADER, deferred, given_back, handed_out
from fleet.broker.topology import due_queue
from fleet.broker.waiting import wait_readable
from fleet.clock import time
from fleet.spec import QueueSpec

_MOST_COUNTED = 1_000_000


class RabbitConsumer:
    """See BrokerConsumer. Deliveries live as long as their connection: the broker gives lost ones out again."""

    longest_hold_seconds = (
        900.0  # RabbitMQ's consumer_timeout is twice that, and costs all deliveries of the channel
    )

    def __init__(self, subscription: Subscription) -> None:
        self._broker = subscription.broker
        self._queues = queues = subscription.queues
        self._prefetch = self._least_prefetch = subscription.prefetch
        self._identity = subscription.identity
        self._opened: AmqpConnection | None = None
        self._channel: Any = None
        self._consumers: Consumers | InOrder | None = None
        self._order = subscription.order()
        self._ordered: InOrder | None = None  # the same, where there are several queues
        self._outgoing = Outgoing(
            self._broker,
            queues,
            subscription.dead_letters,
            identity=self._identity,
            check=lambda: self._connection,
        )
        self._due: Due | None = None
        self._refusal: Refused | None = None
        self.rule = SuspectRule()
        self._suspects: Suspects | None = None
        self._has_been_connected = False
        self._counting = self.rule.counting = {queue.name for queue in queues if _is_quorum(queue)}
        self._paused = False
        self._skipped: frozenset[str] = frozenset()
        self._inbox: list[Delivery] = []
        self._held: dict[int, Delivery] = {}  # by tag, which the broker counts up

    @property
    def _connection(self) -> AmqpConnection:
        if self._opened is None:
            raise BrokerUnavailable("not connected")
        if self._opened.failure:
            # The broker has given out again what we hold: publishing it anew would make two of it.
            raise BrokerUnavailable(self._opened.failure)
        return self._opened

    def connect(self) -> bool:
        self.close()
        try:
            self._connect()
        except BaseException:
            # Half made it may still live, and what it has brought has tags that older deliveries have, too.
            self.close()
            raise
        return False

    def _connect(self) -> None:
        connection = AmqpConnection(self._broker, name=self._identity)
        self._opened = connection
        for queue in self._queues:
            declare(connection, queue)
        names = [queue.name for queue in self._queues]
        self._suspects = Suspects(connection, names, is_first=not self._has_been_connected)
        self._has_been_connected = True
        if self.rule.most is not None:
            self._suspects.look()
        with connection.guard():
            self._channel = connection.amqp.channel()
            self._channel.auto_decode = False  # bodies are bytes
            connection.deliver(self._channel, self._on_arrival)
            self._consumers = self._make_consumers(names)
            self._consumers.hold(self._prefetch)
            self._consumers.skip(self._skipped)
        self._due = Due(connection, self._outgoing)
        self._due.consume([queue.name for queue in self._queues if self._has_due(connection, queue)])
        if not self._paused and not self.suspects:  # they come first: who takes them resumes
            self.resume()

    def _make_consumers(self, names: Sequence[str]) -> Consumers | InOrder:
        if self._order is None:
            return Consumers(self._channel, names, base=self._least_prefetch)
        self._ordered = InOrder(
            self._channel,
            self._queues,
            order=self._order,
            base=self._least_prefetch,
            hold=self._held_asked,
        )
        return self._ordered

    def _has_found_suspects(self) -> bool:
        """Whether some are there that were not known of. They are looked for now and then."""
        if self._suspects is None or self.rule.most is None or self.suspects:
            return False
        self._suspects.look()
        return self.suspects

    @property
    def suspects(self) -> bool:
        """See BrokerConsumer."""
        return self._suspects is not None and self._suspects.waiting(self._skipped)

    def look_for_suspects(self) -> bool:
        """See BrokerConsumer."""
        if self._suspects is not None:
            self._suspects.look_again()
        return self.suspects

    def take_suspect(self, queue: str | None = None) -> Delivery | None:
        """See BrokerConsumer."""
        if self._suspects is None:
            return None
        if queue is not None:
            self._suspects.expect(queue)
        if not (taken := self._suspects.take(self._channel, self._skipped)):
            return None
        name, arrived = taken
        delivery = self._held_from(name, arrived)
        delivery.alone = True
        return delivery

    def set_aside(
        self, most: int | None, *, culprit_known: bool, is_ours: Callable[[Delivery], bool]
    ) -> None:
        """See BrokerConsumer."""
        self.rule.most, self.rule.culprit_known, self.rule.is_ours = most, culprit_known, is_ours

    def _has_due(self, connection: AmqpConnection, queue: QueueSpec) -> bool:
        """Whether something may come due for it apart: if not by fleet.toml, then by what was once found out."""
        if may_refuse(queue):
            return make_due_queue(connection, queue.name)
        return exists(connection, due_queue(queue.name))

    def wait(self, timeout: float, wake_fd: int) -> list[Delivery]:
        connection = self._connection
        deadline = time.monotonic() + timeout
        while True:
            while connection.read(0) and len(self._inbox) < self._prefetch:
                pass
            connection.beat()
            self._mend_consumers()
            due_in = self._forward_due()
            if self._ordered is not None:
                due_in = min(due_in, self._take_in_order(self._ordered))
            if not self._inbox and self._has_found_suspects():
                return []
            if self._inbox:
                arrived, self._inbox = self._inbox, []
                first_time = self._recount(arrived)
                if first_time or self.suspects:
                    return first_time
                continue  # the next may have come while that was being confirmed
            left = deadline - time.monotonic()
            if left <= 0:
                return []
            pause = min(left, due_in, connection.look_every_seconds)
            with connection.guard():
                ready = wait_readable([connection.amqp.sock.fileno(), wake_fd], pause)
            if wake_fd in ready and len(ready) == 1:
                return []

    def _take_in_order(self, ordered: InOrder) -> float:
        """Into the inbox, what there is room for, and what nobody wants here. In how many seconds to look again."""
        with self._connection.guard():
            if not self.suspects:  # they come first
                room = self._prefetch - (len(self._held) - ordered.on_shelf)
                self._inbox += ordered.take(room)
            self._inbox += ordered.unwanted()
            given_up = ordered.given_up()
        self.requeue(given_up, counted=False)
        return ordered.next_in()

    def _forward_due(self) -> float:
        """What has waited for a queue that may be full. In how many seconds to look again."""
        due = self._due
        assert due is not None  # made with the connection
        if new := self._outgoing.found_full - set(due.targets.values()):
            due.consume(new)
        now = time.monotonic()
        due.forward(now)
        if due.refusal is not None:
            self._refusal, due.refusal = due.refusal, None
        return due.next_in(now)

    def take_refusal(self) -> Refused | None:
        refusal, self._refusal = self._refusal, None
        return refusal

    def _on_arrival(self, arrived: Arrived) -> None:
        delivery = self._held_from(Consumers.queue_of(arrived.consumer), arrived)
        if self._ordered is None:
            self._inbox.append(delivery)
        else:
            self._ordered.arrived(arrived, delivery)

    def _held_asked(self, queue: str, message: Any) -> Delivery:
        """What has come by basic.get."""
        delivery = self._held_from(queue, message_arrived(message))
        # Something may have been pushed behind it and been seen before. `ack` relies on the order.
        self._held = dict(sorted(self._held.items()))
        return delivery

    def _held_from(self, queue: str, arrived: Arrived) -> Delivery:
        properties = arrived.properties
        headers = properties.pop("application_headers", None) or {}
        # Elsewhere the header is some client's.
        counted = headers.get("x-delivery-count") if queue in self._counting else None
        delivery = Delivery(
            tag=arrived.tag,
            queue=queue,
            body=arrived.body,
            headers=headers,
            properties=properties,
            content_type=properties.pop("content_type", ""),
            content_encoding=properties.pop("content_encoding", ""),
            redelivered=arrived.redelivered or bool(headers.get(CRASHES_HEADER)),
            attempt=_attempt(counted, arrived.redelivered),
            fault=arrived.fault,
        )
        self._held[delivery.tag] = delivery
        return delivery

    def pause(self) -> None:
        self._paused = True
        if self._opened is not None and self._consumers is not None:
            with self._opened.guard():
                self._consumers.stop()
            self._clear_shelf()

    def resume(self) -> None:
        self._paused = False
        with self._connection.guard():
            assert self._consumers is not None  # made with the connection
            self._consumers.start()

    def skip(self, queues: Collection[str]) -> None:
        self._skipped = frozenset(queues)
        if self._opened is not None and self._consumers is not None:
            with self._opened.guard():
                self._consumers.skip(self._skipped)
            self._clear_shelf()

    def _clear_shelf(self) -> None:
        if self._ordered is not None:
            self.requeue(self._ordered.unwanted(), counted=False)

    def set_prefetch(self, prefetch: int) -> None:
        self._prefetch = prefetch
        self._least_prefetch = min(self._least_prefetch, prefetch)
        if self._opened is not None and self._consumers is not None:
            with self._opened.guard():
                self._consumers.hold(prefetch)

    def _mend_consumers(self) -> None:
        """A queue was deleted while we consumed from it: make it again, as fleet.toml says, and go on."""
        assert self._consumers is not None  # made with the connection
        for name in self._consumers.take_cancelled():
            declare(self._connection, next(queue for queue in self._queues if queue.name == name))
            with self._connection.guard():
                self._consumers.consume_again(name)

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        connection = self._connection
        tags = {delivery.tag for delivery in deliveries if delivery.tag in self._held}
        with connection.guard():
            # All that is held up to here is settled: one frame does for it.
            done = 0
            for tag in self._held:
                if tag not in tags:
                    break
                done = tag
            if done:
                self._channel.basic_ack(done, multiple=True)
            for tag in sorted(tag for tag in tags if tag > done):
                self._channel.basic_ack(tag)
        self._forget(tags)

    def requeue(self, deliveries: Sequence[Delivery], *, counted: bool) -> None:
        connection = self._connection
        own = [delivery for delivery in deliveries if delivery.tag in self._held]
        self._repost([each for each in own if self._miscounts(each, counted)], counted=counted)
        tags = {delivery.tag for delivery in own if delivery.tag in self._held}
        with connection.guard():
            # Newest first: each goes back to the head of its queue, so that the order stays.
            for tag in sorted(tags, reverse=True):
                self._channel.basic_reject(tag, requeue=True)
        self._forget(tags)

    def _recount(self, arrived: list[Delivery]) -> list[Delivery]:
        """The deliveries that have not come back from a worker that ended.

        The others are published again with one more in their own count, and come then, or wait among the
        suspects. A classic queue marks what comes back but does not count: a message that kills its worker would be
        "the second time" for ever. A quorum queue counts, up to its limit.
        """
        if not any(each.attempt > 1 or CRASHES_HEADER in each.headers for each in arrived):
            return arrived
        _, back, suspects = divide(arrived, self.rule)
        self._repost(back, counted=False)
        self._set_aside(suspects)
        left = [each for each in (*back, *suspects) if each.tag in self._held]
        for each in self._unwritable(left, counted=False):
            each.fault = each.fault or "it has come back, and its headers leave no room to count how often"
        return [each for each in arrived if each.tag in self._held]

    def _set_aside(self, suspects: list[Delivery]) -> None:
        if not suspects or self._suspects is None:
            return
        unwritable = self._unwritable(suspects, counted=False)  # these stay as they are
        suspects = [each for each in suspects if each not in unwritable]
        postings = []
        for each in suspects:
            posting = given_back(each, counted=False)
            postings.append(posting._replace(queue=self._suspects.place(each.queue) or each.queue))
        self._publish_and_ack(suspects, postings)
        for each, posting in zip(suspects, postings, strict=True):
            if each.tag not in self._held and posting.queue != each.queue:
                self._suspects.expect(each.queue)

    def _unwritable(self, deliveries: Sequence[Delivery], *, counted: bool) -> list[Delivery]:
        """The deliveries that can't be published again with a count: their headers all but fill a frame."""
        frame_max = self._connection.amqp.frame_max
        return [each for each in deliveries if unwritable(given_back(each, counted=counted), frame_max)]

    def _miscounts(self, delivery: Delivery, counted: bool) -> bool:
        """Whether the broker would count the delivery where it should not, or not where it should.

        A quorum queue counts whatever is given back. A classic one only marks it, which counts as one. What
        never ran may be given one too many in its life, for the sake of its place in the queue.
        """
        if delivery.alone:
            return True  # not to where only the last chance counts
        if delivery.queue in self._counting:
            return not counted
        most = self.rule.most
        is_next_suspect = most is not None and handed_out(delivery) + 1 >= most
        return counted or is_next_suspect or bool(delivery.headers.get(CRASHES_HEADER))

    def _repost(self, deliveries: Sequence[Delivery], *, counted: bool) -> None:
        """Settles all that could be published; the others are as they were."""
        unwritable = self._unwritable(deliveries, counted=counted)  # these stay as they are
        deliveries = [each for each in deliveries if each not in unwritable]
        self._publish_and_ack(deliveries, [given_back(each, counted=counted) for each in deliveries])

    def _publish_and_ack(self, deliveries: Sequence[Delivery], postings: Sequence[Posting]) -> None:
        """What is refused stays as it was."""
        if not deliveries:
            return
        refused: tuple[Posting, ...] = ()
        try:
            self._outgoing.publish(postings, or_later=True)
        except Refused as error:
            refused, self._refusal = error.postings, error
        stay = {id(posting) for posting in refused}
        self.ack(
            [each for each, posting in zip(deliveries, postings, strict=True) if id(posting) not in stay]
        )

    def replace(self, delivery: Delivery, *postings: Posting) -> None:
        _ = self._connection  # raises where the delivery is void: not to be published anew
        if delivery.tag in self._held:
            self._outgoing.publish(postings, or_later=postings[0].queue == delivery.queue)
            self.ack([delivery])

    def defer(self, delivery: Delivery, seconds: float) -> None:
        self.replace(delivery, deferred(delivery, seconds))

    def _forget(self, tags: set[int]) -> None:
        for tag in tags:
            del self._held[tag]
        if self._ordered is not None:
            self._ordered.forget(tags)

    def renew(self) -> None:
        self._outgoing.renew()
        self._connection.beat_now()

    def close(self) -> None:
        self._outgoing.close()
        connection, self._opened = self._opened, None
        if connection is not None:
            connection.close()
        self._ordered = self._consumers = None
        self._inbox.clear()
        self._held.clear()


def _is_quorum(queue: QueueSpec) -> bool:
    return queue.arguments.get("x-queue-type") == "quorum"


def _attempt(count: Any, redelivered: bool) -> int:
    """Quorum queues count; a classic queue only tells the first time from the others."""
    return min(count, _MOST_COUNTED) + 1 if isinstance(count, int) and count >= 0 else 1 + redelivered
