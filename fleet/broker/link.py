"""A worker's side of the broker: one connection that consumes, settles and publishes.

The consumer loop is written against this and never sees kombu. A Link belongs to one thread (kombu objects
are not thread-safe); another thread may only call `renew`, and write to the `wake_fd` that `wait` watches.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress

from fleet.broker.delivery import BrokerUnavailable, Death, Delivery, QueueMismatch
from fleet.broker.lines import Line
from fleet.broker.reposting import obituary, retried, seconds_until_due
from fleet.spec import BrokerSpec, QueueSpec

__all__ = ["BrokerUnavailable", "Death", "Delivery", "Link", "QueueMismatch"]


class Link:
    """`connect`, then `wait` in a loop; settle each Delivery exactly once.

    After BrokerUnavailable from any method, call `connect` again (with backoff). Deliveries of an earlier
    connection are void on AMQP: the broker gives them out again, so settling one does nothing. On SQLite
    they stand as long as the lease does: a settlement that failed is remembered and done at the next
    `connect`.
    """

    def __init__(
        self, broker: BrokerSpec, queues: Sequence[QueueSpec], *, prefetch: int, identity: str
    ) -> None:
        """`identity` ("http/0@host:pid/token") owns the leases and names the connection on the broker."""
        from fleet.broker.lines.choose import open_line

        self._line: Line = open_line(broker, queues, prefetch=prefetch, identity=identity)
        self._dead_letters = {queue.name: queue.dead_letter for queue in queues}
        self._generation = 0
        self._arrived: list[Delivery] = []  # not yet handed out: only when putting one back failed midway
        self._unfinished: list[Callable[[], None]] = []  # settlements that the broker has not heard of
        self.renew_every = min(broker.lease_seconds, broker.heartbeat_seconds) / 3

    def connect(self) -> None:
        """Connect, declare the queues, start consuming. Raises BrokerUnavailable, or QueueMismatch."""
        if not self._line.connect():
            self._generation += 1
            self._arrived.clear()
            self._unfinished.clear()
        while self._unfinished:
            self._unfinished[0]()
            del self._unfinished[0]

    def wait(self, timeout: float, wake_fd: int) -> list[Delivery]:
        """Deliveries as soon as there are some; [] when `wake_fd` is readable or after `timeout` seconds.

        Messages whose `eta` is still to come are put back into the broker until then, never handed out
        early. May return [] early; the caller drains `wake_fd`.
        """
        self._arrived += self._line.wait(0 if self._arrived else timeout, wake_fd)
        due = [delivery for delivery in self._arrived if self._is_due(delivery)]
        self._arrived.clear()
        return due

    def _is_due(self, delivery: Delivery) -> bool:
        delay = seconds_until_due(delivery, time.time())
        if delay > 0 and delivery.generation != self._generation:
            self._line.defer(delivery, delay)
        delivery.generation = self._generation
        return delay <= 0

    def pause(self) -> None:
        """Stop consuming; deliveries already made are returned by the next `wait`. Holds across `connect`."""
        self._line.pause()

    def resume(self) -> None:
        self._line.resume()

    def skip(self, queues: Collection[str]) -> None:
        """Consume all queues but these, from now on. Holds across `connect`."""
        self._line.skip(queues)

    def set_prefetch(self, prefetch: int) -> None:
        """How many unsettled deliveries this link may hold, from now on."""
        self._line.set_prefetch(prefetch)

    def renew(self) -> None:
        """Tell the broker that this worker lives: every `renew_every` seconds while `wait` can't be called.

        The one method for another thread: a solo task that blocks the loop must lose neither lease nor
        connection. Never raises: the loop finds out for itself.
        """
        with suppress(BrokerUnavailable):
            self._line.renew()

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        if valid := self._valid(deliveries):
            self._settle(lambda: self._line.ack(valid))

    def requeue(self, deliveries: Sequence[Delivery], *, counted: bool = True) -> None:
        """Give back at once, for any worker. `counted=False`: it never started, don't count the attempt.

        On RabbitMQ it may come back at the end of its queue, for only a message that is published again can
        say how often it was handed out.
        """
        if valid := self._valid(deliveries):
            self._settle(lambda: self._line.requeue(valid, counted=counted))

    def retry(self, delivery: Delivery, *, delay_seconds: float, retries: int) -> None:
        """Publish it again, due after the delay and with its `retries` header set, confirmed; then ack it."""
        if self._valid([delivery]):
            posting = retried(delivery, delay_seconds, retries, time.time())
            self._settle(lambda: self._line.replace(delivery, posting))

    def dead_letter(self, delivery: Delivery, death: Death) -> None:
        """Publish it to its queue's dead-letter queue, confirmed.

        Then ack it. Drops it when the queue has none.
        """
        graveyard = self._dead_letters.get(delivery.queue)
        if not graveyard:
            self.ack([delivery])
        elif self._valid([delivery]):
            posting = obituary(delivery, death, graveyard)
            self._settle(lambda: self._line.replace(delivery, posting))

    def close(self) -> None:
        """Give back what is unsettled and disconnect; never raises."""
        self._line.close()

    def _valid(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        return [delivery for delivery in deliveries if delivery.generation == self._generation]

    def _settle(self, step: Callable[[], None]) -> None:
        try:
            step()
        except BrokerUnavailable:
            self._unfinished.append(step)
            raise
