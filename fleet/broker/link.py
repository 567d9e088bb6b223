"""A worker's side of the broker: one connection that consumes, settles and publishes.

The consumer loop is written against this and never sees kombu. A Link belongs to one thread (kombu objects
are not thread-safe); another thread may only call `renew`, and write to the `wake_fd` that `wait` watches.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from functools import partial

from fleet.broker.consumer import BrokerConsumer, Subscription
from fleet.broker.delivery import BrokerUnavailable, Death, Delivery, Posting, QueueMismatch, Refused
from fleet.broker.hand_over import HandOver
from fleet.broker.holding import Holding
from fleet.broker.put_off import PutOff
from fleet.broker.reposting import dead_letter, retried, seconds_until_due, shorter_dead_letters
from fleet.clock import time
from fleet.protocol.version1 import lifted_headers
from fleet.protocol.words import cause

__all__ = ["BrokerUnavailable", "Death", "Delivery", "Link", "QueueMismatch"]


class Link:
    """`connect`, then `wait` in a loop; settle each Delivery exactly once.

    After BrokerUnavailable from any method, call `connect` again (with backoff). Deliveries of an earlier
    connection are void on AMQP: the broker gives them out again, so settling one does nothing. On SQLite
    they stand as long as the lease does: a settlement that failed is remembered and done at the next
    `connect`.

    What the broker refuses while it takes all else (a full queue, a right that is missing) raises nothing: the
    delivery stays unsettled, `wait` tries again in a while, and `refusal` says why.
    """

    def __init__(self, subscription: Subscription) -> None:
        from fleet.broker.open import open_consumer

        self._worker = subscription.identity.partition("@")[0]
        # Whether headers are looked for in bodies, as Celery's protocol 1 has them, and what is put off is remembered.
        self.serves_celery = False
        # What could not be handed on.
        self.put_aside: Callable[[Delivery, str], None] = lambda _delivery, _why: None
        self._line: BrokerConsumer = open_consumer(subscription)
        self._prefetch = self._told_prefetch = subscription.prefetch
        self._holding = Holding()
        self._put_off = PutOff()
        self._early: list[tuple[float, Delivery]] = []  # until when (monotonic): the broker can't keep them
        self._dead_letters = {queue.name: queue.dead_letter for queue in subscription.queues}
        self._generation = 0
        self._arrived: list[Delivery] = []  # not yet handed out: only when putting one back failed midway
        self._unfinished: list[Callable[[], None]] = []  # settlements that the broker has not heard of

    def connect(self) -> None:
        """Connect, declare the queues, start consuming. Raises BrokerUnavailable, or QueueMismatch."""
        if not self._line.connect():
            self._generation += 1
            self._arrived.clear()
            self._early.clear()
            self._holding.clear()
            self._unfinished.clear()
        while self._unfinished:
            step = self._unfinished[0]
            try:
                step()
            except Refused as error:
                self._holding.add(step, error, time.monotonic())
            del self._unfinished[0]

    def wait(self, timeout: float, wake_fd: int) -> list[Delivery]:
        """Deliveries as soon as there are some; [] when `wake_fd` is readable or after `timeout` seconds.

        Messages whose `eta` is still to come are put back into the broker until then, never handed out
        early. May return [] early; the caller drains `wake_fd`.
        """
        now = time.monotonic()
        self._holding.retry(now)
        self._make_room()
        timeout = min(timeout, self._holding.next_in(now), *(max(0.0, due - now) for due, _ in self._early))
        self._arrived += self._line.wait(0 if self._arrived else timeout, wake_fd)
        if refusal := self._line.take_refusal():
            self._holding.note(refusal, now)
        due = [delivery for delivery in self._arrived if self._is_due(delivery)] + self._no_longer_early()
        self._arrived.clear()
        return due

    def _is_due(self, delivery: Delivery) -> bool:
        if self.serves_celery and "task" not in delivery.headers:
            delivery.headers |= lifted_headers(delivery.headers, delivery.body, delivery.content_type)
        if not delivery.headers.get("eta"):  # at once: nearly no message has one
            delivery.generation = self._generation
            return True
        delay = seconds_until_due(delivery, time.time())
        if delay > 0 and delivery.generation != self._generation:
            delivery.fault = self._defer(delivery, delay)
        delivery.generation = self._generation
        return delay <= 0 or bool(delivery.fault)

    def _defer(self, delivery: Delivery, seconds: float) -> str:
        """Back into the broker, or kept here where it refuses that. Why neither can be; "" when it has been."""
        now = time.monotonic()
        try:
            self._line.defer(delivery, seconds)
            if self.serves_celery:
                self._put_off.add(delivery, time.time() + seconds, time.time())
        except Refused as error:
            self._holding.note(error, now)
            self._early.append((now + seconds, delivery))
        except BrokerUnavailable:
            raise
        except Exception as error:  # one message must not end the worker
            return f"it can't be kept until its time: {cause(error)}"
        return ""

    def set_aside(
        self, most: int | None, *, culprit_known: bool, is_ours: Callable[[Delivery], bool]
    ) -> None:
        """See BrokerConsumer."""
        self._line.set_aside(most, culprit_known=culprit_known, is_ours=is_ours)

    @property
    def suspects(self) -> bool:
        """Whether some may have been set aside. Nothing else comes after a `connect` until `resume` is called."""
        return self._line.suspects

    def take_suspect(self, queue: str | None = None) -> Delivery | None:
        """One suspect, for a worker that has nothing else and has paused; None when there is none, now.

        `queue`: one from there is known to have been set aside.
        """
        delivery = self._line.take_suspect(queue)
        if delivery is not None:
            delivery.generation = self._generation
        return delivery

    def look_for_suspects(self) -> bool:
        """Whether there are some now, by the broker's own word."""
        return self._line.look_for_suspects()

    def is_void(self, delivery: Delivery) -> bool:
        """Whether it came by an earlier connection, so that the broker has given it out again."""
        return delivery.generation != self._generation

    def _no_longer_early(self) -> list[Delivery]:
        if not self._early:
            return []
        now = time.monotonic()
        due = [delivery for moment, delivery in self._early if moment <= now]
        self._early = [each for each in self._early if each[0] > now]
        return due

    def _make_room(self) -> None:
        """What is held for want of a taker does not count as what this worker may hold."""
        wanted = self._prefetch + self._holding.room()
        if wanted != self._told_prefetch:
            self._line.set_prefetch(wanted)
            self._told_prefetch = wanted

    @property
    def refusal(self) -> str | None:
        """Why the broker has refused something lately, or does still."""
        return self._holding.reason(time.monotonic())

    @property
    def held(self) -> int:
        """Deliveries that have run and can't be settled, because the broker refuses what is to be published."""
        return len(self._holding)

    def delayed(self, limit: int) -> list[Delivery]:
        """What waits for its time; only what came by this link where the broker can't look. Never to be settled."""
        look = getattr(self._line, "delayed", None)
        return self._put_off.look(limit, time.time()) if look is None else look(limit)

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
        self._prefetch = prefetch
        self._told_prefetch = prefetch + self._holding.room()
        self._line.set_prefetch(self._told_prefetch)

    def renew(self) -> None:
        """Tell the broker that this worker lives, while `wait` can't be called: see `BrokerSpec.renew_every_seconds`.

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
            make = partial(retried, delivery, delay_seconds, retries, time.time())
            self._hand_on(delivery, make, Death("it can't be sent again", self._worker, time.time()))

    def finish(self, delivery: Delivery, told: Posting) -> None:
        """Publish `told`, somebody's word that it has ended, and ack; where the broker allows it in one step."""
        if self._valid([delivery]):

            def step() -> None:
                try:
                    self._line.replace(delivery, told)
                except Refused:
                    self._line.ack([delivery])  # that nobody can be told is no reason to hold it

            self._settle(step)

    def dead_letter(self, delivery: Delivery, death: Death, told: Posting | None = None) -> None:
        """Publish it to its queue's dead-letter queue, confirmed, and `told` as `finish` does.

        Then ack it. Drops it when the queue has none.
        """
        dead_letter_queue = self._dead_letters.get(delivery.queue)
        if not dead_letter_queue:
            self.finish(delivery, told) if told else self.ack([delivery])
        elif self._valid([delivery]):
            self._hand_on(delivery, partial(dead_letter, delivery, death, dead_letter_queue), death, told)

    def _replace(self, delivery: Delivery, posting: Posting, told: Posting | None) -> None:
        """With both; if it is only the word that the broker does not take, without that."""
        try:
            self._line.replace(delivery, posting, *([told] if told else ()))
        except Refused as error:
            if told is None or [each for each in error.postings if each is not told] or not error.postings:
                raise
            self._line.ack([delivery])

    def _hand_on(
        self, delivery: Delivery, make: Callable[[], Posting], death: Death, told: Posting | None = None
    ) -> None:
        """Or put it aside: what the broker won't take as it is must neither end this worker nor stay for ever."""

        def shorter(why: str) -> Iterator[Callable[[], Posting]]:
            self.put_aside(delivery, why)
            dead_letter_queue = self._dead_letters.get(delivery.queue)
            told = death._replace(reason=f"{death.reason}: {why}")
            return shorter_dead_letters(delivery, told, dead_letter_queue) if dead_letter_queue else iter(())

        since = time.monotonic()
        way = HandOver(make, shorter)
        first = way.posting()
        due_at = since + first.delay_seconds if first and first.delay_seconds > 0 else None
        at_once = first._replace(delay_seconds=0.0) if first else None

        def step() -> None:
            now = time.monotonic()
            if now - since > self._line.longest_hold_seconds:
                # Else the broker takes it back itself, and all that runs beside it.
                self._line.requeue([delivery], counted=False)
                return
            while (posting := way.posting()) is not None:
                # A delay that can't be kept by the broker has been kept here when it is over.
                is_over = posting is first and due_at is not None and now >= due_at
                try:
                    self._replace(delivery, at_once if is_over and at_once else posting, told)
                except BrokerUnavailable:
                    raise
                except Exception as error:
                    way.failed(error)
                else:
                    return
            self._line.ack([delivery])  # what has no dead-letter queue is dropped

        self._settle(step, due_at)

    def close(self) -> None:
        """Give back what is unsettled and disconnect; never raises."""
        self._line.close()

    def _valid(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        return [delivery for delivery in deliveries if delivery.generation == self._generation]

    def _settle(self, step: Callable[[], None], due_at: float | None = None) -> None:
        try:
            step()
        except Refused as error:
            self._holding.add(step, error, time.monotonic(), due_at)
        except BrokerUnavailable:
            self._unfinished.append(step)
            raise
