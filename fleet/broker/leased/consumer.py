"""The line to a store with leases (SQLite, Redis): reserve in batches, block on its hint in between."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence

from fleet.broker.consumer import NoSuspects, Subscription
from fleet.broker.delivery import BrokerUnavailable, Delivery, Posting, Refused
from fleet.broker.leased.predecessor import is_predecessor
from fleet.broker.leased.store import Claim, LeasedStore, declare
from fleet.broker.reposting import deferred
from fleet.broker.waiting import wait_readable
from fleet.clock import time
from fleet.spec import renewal_seconds

_LOOK_AGAIN_SECONDS = 1.5  # a hint may get lost with the worker that it woke, and none comes of a new delay
# Where tasks are short, room for one more comes a thousand times a second: don't ask for less than a fourth of
# what may be held, or not as often.
_WORTHWHILE = 4
_ASK_AGAIN_SECONDS = 0.005
_NO_RIGHT = re.compile(r"NOPERM|can't access at least one of the keys|no permissions", re.IGNORECASE)
_POLL_SECONDS = 0.05  # where the store can't give hints


class LeasedConsumer(NoSuspects):
    """See BrokerConsumer. Claims outlive the connection: after a blip, what still runs can still be settled."""

    longest_hold_seconds = float("inf")

    def __init__(self, open_store: Callable[[], LeasedStore], subscription: Subscription) -> None:
        queues = subscription.queues
        self._open_store = open_store
        self._opened: LeasedStore | None = None
        self._owner = subscription.identity
        self._order = subscription.order()
        self._queues = queues
        self._declared = (*queues, *subscription.dead_letters)
        self._names = [queue.name for queue in queues]  # those to consume
        self._prefetch = subscription.prefetch
        self._renew_every = renewal_seconds(subscription.broker.lease_seconds)
        self._renewed_at = 0.0
        self._held: dict[object, Delivery] = {}
        self._found: list[Delivery] = []  # claimed, but the connection broke before they were handed out
        self._paused = False
        self._listening: list[str] | None = None  # to these queues, also between two calls of `wait`
        self._hint: int | None = None
        self._look_at = 0.0  # monotonic; while we listen
        self._looked_at = 0.0
        self._hinted = False  # something is said to be there
        self._last_attempt = 0

    @property
    def _store(self) -> LeasedStore:
        if self._opened is None:
            raise BrokerUnavailable("not connected")
        return self._opened

    def connect(self) -> bool:
        if self._opened is None:
            self._opened = self._open_store()
            self._opened.last_attempt = self._last_attempt
            self._inherit(self._opened)
            standing = False
        else:
            self._listening = self._hint = None
            standing = self._opened.reconnect()
        if not standing:
            self._held.clear()
            self._found.clear()
        for queue in self._declared:
            declare(self._opened, queue)
        return standing

    def _inherit(self, store: LeasedStore) -> None:
        """Give back what this program held when it was killed: nobody has, if the controller was dead too."""
        for owner in store.owners():
            if is_predecessor(owner, self._owner):
                store.release_owner(owner, self._last_attempt)

    def set_aside(
        self, most: int | None, *, culprit_known: bool, is_ours: Callable[[Delivery], bool]
    ) -> None:
        self._last_attempt = most or 0
        if self._opened is not None:
            self._opened.last_attempt = self._last_attempt

    def wait(self, timeout: float, wake_fd: int) -> list[Delivery]:
        deadline = time.monotonic() + timeout
        while True:
            if self._found:
                found, self._found = self._found, []
                return found
            self._renew_in_time()
            left = deadline - time.monotonic()
            if not self._room():
                self._stop_listening()
            elif self._is_time_to_look() and self._look(listen=left > 0):
                continue
            if wake_fd in self._block(left, wake_fd) or left <= 0:
                return []

    def _is_time_to_look(self) -> bool:
        return time.monotonic() >= self._next_look()

    def _next_look(self) -> float:
        if self._listening == self._names:
            return self._look_at
        if self._room() * _WORTHWHILE < self._prefetch:
            return self._looked_at + _ASK_AGAIN_SECONDS
        return 0.0

    def _look(self, *, listen: bool) -> bool:
        """Find what there is now. When there is nothing we listen from then on, until there is something."""
        sure = self._hinted or self._listening != self._names
        self._hinted = False
        self._found = self._reserve() if sure else []
        if not self._found and (listen or self._listening):
            # First listen, then look: what comes in between is heard.
            self._hint = self._store.listen(self._names)
            self._listening = list(self._names)
            self._found = self._reserve()
        if self._found:
            self._stop_listening()
        elif self._listening:
            self._look_at = time.monotonic() + self._until_next_look()
        return bool(self._found)

    def _until_next_look(self) -> float:
        change = self._store.next_change(self._names)
        self._hint = self._store.hint()  # what has looked since may have found its connection gone
        pause = _POLL_SECONDS if self._hint is None else _LOOK_AGAIN_SECONDS
        return pause if change is None else min(pause, change)

    def _block(self, seconds: float, wake_fd: int) -> set[int]:
        """Until it is time to look or to renew, at most; a hint says that it is."""
        moments = [time.monotonic() + seconds]
        descriptors = [wake_fd]
        if self._room():
            moments.append(self._next_look())
        if self._held:
            moments.append(self._renewed_at + self._renew_every)
        if self._listening is not None:
            descriptors += [] if self._hint is None else [self._hint]
        ready = wait_readable(descriptors, min(moments) - time.monotonic())
        if self._hint in ready:
            self._look_at, self._hinted = 0.0, True
        return ready

    def _stop_listening(self) -> None:
        """Who is not about to look must not be woken in place of somebody who is."""
        if self._listening is not None:
            self._store.unlisten()
            self._listening = self._hint = None

    def _room(self) -> int:
        return 0 if self._paused or not self._names else self._prefetch - len(self._held)

    def _reserve(self) -> list[Delivery]:
        room = self._room()
        if room < 1:
            return []
        self._looked_at = time.monotonic()
        names = self._order.order(self._names) if self._order else self._names
        found = [to_delivery(claim) for claim in self._store.reserve(names, room)]
        if found:
            self._renewed_at = time.monotonic()
            if self._order:
                for queue, count in Counter(each.queue for each in found).items():
                    self._order.took(queue, count)
        self._held.update((delivery.tag, delivery) for delivery in found)
        return found

    def _renew_in_time(self) -> None:
        if self._held and time.monotonic() - self._renewed_at > self._renew_every:
            self._store.renew()
            self._renewed_at = time.monotonic()

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused = False

    def skip(self, queues: Collection[str]) -> None:
        self._names = [queue.name for queue in self._queues if queue.name not in queues]

    def set_prefetch(self, prefetch: int) -> None:
        self._prefetch = prefetch

    def ack(self, deliveries: Sequence[Delivery]) -> None:
        self._store.ack([delivery.tag for delivery in deliveries])
        self._forget(deliveries)

    def requeue(self, deliveries: Sequence[Delivery], *, counted: bool) -> None:
        self._store.release([delivery.tag for delivery in deliveries], counted=counted)
        if self._order and not counted:
            for delivery in deliveries:
                self._order.took(delivery.queue, -1)
        self._forget(deliveries)

    def replace(self, delivery: Delivery, *postings: Posting) -> None:
        try:
            self._store.replace(delivery.tag, *postings)
        except BrokerUnavailable as error:
            if not _NO_RIGHT.search(str(error)):
                raise
            raise Refused(str(error), postings) from error  # to this queue's key: it takes what else we say
        self._forget([delivery])

    def defer(self, delivery: Delivery, seconds: float) -> None:
        self.replace(delivery, deferred(delivery, seconds))

    def delayed(self, limit: int) -> list[Delivery]:
        """What waits for its time, of all queues; for looking only."""
        queues = [queue.name for queue in self._queues]
        return [to_delivery(each.claim) for name in queues for each in self._store.delayed(name, limit)][
            :limit
        ]

    def _forget(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._held.pop(delivery.tag, None)

    def take_refusal(self) -> None:
        return None

    def renew(self) -> None:
        self._store.renew()

    def close(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None


def to_delivery(claim: Claim) -> Delivery:
    message = claim.message
    return Delivery(
        tag=claim.tag,
        queue=claim.queue,
        body=message.body,
        headers=message.headers,
        properties=message.properties,
        content_type=message.content_type,
        content_encoding=message.content_encoding,
        redelivered=claim.attempt > 1,
        attempt=claim.attempt,
        ready_since=claim.ready_since,
    )
