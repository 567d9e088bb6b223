"""A kombu transport on any LeasedStore, so that kombu and Celery can publish to it and consume from it.

Differences from kombu's own virtual transports: bindings are shared by all processes, a batch is reserved
in one call (up to the prefetch count), acks and leases are the store's and may come from any thread, queues
and messages end when they were declared to (`lifetimes`), fanout queues are kept like any other, errors are
BrokerUnavailable. fleet's workers don't come this way: they use the store directly.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any, cast

from kombu.transport import virtual

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.kombu_transport.channel import Channel
from fleet.broker.kombu_transport.event_loop import EventLoop
from fleet.broker.kombu_transport.lease_keeper import LeaseKeeper
from fleet.broker.kombu_transport.messages import expiration
from fleet.broker.kombu_transport.qos import QoS
from fleet.broker.kombu_transport.wakeup import Wakeup
from fleet.broker.leased.lifetimes import Lifetime, Lifetimes
from fleet.broker.leased.locked import Locked
from fleet.broker.leased.store import Claim, LeasedStore
from fleet.broker.waiting import wait_readable
from fleet.clock import time
from fleet.spec import renewal_seconds

__all__ = ["Channel", "QoS", "Transport"]

LOOK_AGAIN_SECONDS = 1.0
POLL_SECONDS = 0.05
_SWEEP_SECONDS = 5.0
_REMEMBER_SECONDS = 5.0
_REMEMBER_QUEUES = 1000  # clients of many replies have a new queue for each


class Transport(virtual.Transport):  # type: ignore[misc]
    """`open_store` is what a subclass adds."""

    Channel = Channel
    connection_errors = (BrokerUnavailable, OSError)
    implements = virtual.Transport.implements.extend(
        asynchronous=True, batch_publish=True, exchange_type=frozenset(["direct", "topic", "fanout"])
    )

    def __init__(self, client: Any, **kwargs: Any) -> None:
        super().__init__(client, **kwargs)
        self.lease_seconds = float(client.transport_options.get("lease_seconds", 30.0))
        self._wakeup: Wakeup | None = None
        self._lock = threading.RLock()
        self._opened: tuple[LeasedStore, Lifetimes] | None = None
        self._keeper: LeaseKeeper | None = None
        self._event_loop: EventLoop | None = None
        self._consumed: dict[str, Lifetime] = {}  # queues that this connection uses, and their lifetimes
        self._exclusive: set[str] = set()
        self._looked_up: dict[str, tuple[float, Lifetime]] = {}
        self._lost: str | None = None

    def open_store(self) -> tuple[LeasedStore, Lifetimes]:
        """A connection to the broker, and the lifetimes of queues on that connection."""
        raise NotImplementedError

    @property
    def store(self) -> LeasedStore:
        return self._open()[0]

    @property
    def lifetimes(self) -> Lifetimes:
        return self._open()[1]

    @property
    def wakeup(self) -> Wakeup:
        """Ends the wait of whoever waits for this connection."""
        if self._wakeup is None:
            self._wakeup = Wakeup()
        return self._wakeup

    def _open(self) -> tuple[LeasedStore, Lifetimes]:
        if self._opened is None:
            store, lifetimes = self.open_store()
            shared = (Locked(store, self._lock), Locked(lifetimes, self._lock))
            self._opened = cast("tuple[LeasedStore, Lifetimes]", shared)
            self.lifetimes.sweep(_SWEEP_SECONDS)
        return self._opened

    def close_connection(self, connection: Any) -> None:
        if self._event_loop is not None:
            self._event_loop.unregister()
            self._event_loop = None
        consumed, self._consumed = self._consumed, {}
        super().close_connection(connection)
        if self._keeper is not None:
            self._keeper.stop()
            self._keeper = None
        if self._opened is not None:
            store, lifetimes = self._opened
            with suppress(BrokerUnavailable):
                if consumed:
                    lifetimes.unuse(list(consumed))
            store.close()
            self._opened = None
        if self._wakeup is not None:
            self._wakeup.close()
            self._wakeup = None
        self._lost = None

    # --- waiting and delivering ------------------------------------------------------------------------

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:
        deadline = None if timeout is None else time.monotonic() + timeout
        while not self.deliver_ready():
            left = LOOK_AGAIN_SECONDS if deadline is None else deadline - time.monotonic()
            if left <= 0:
                raise socket.timeout  # noqa: UP041  # what kombu's callers look for
            self._block(left)

    def deliver_ready(self) -> int:
        """One look into what every channel consumes; how many messages its consumers got."""
        if self._lost is not None:
            raise BrokerUnavailable(self._lost)
        self.wakeup.clear()
        return sum(channel.deliver_ready() for channel in list(self.channels))

    def wanted(self) -> list[str]:
        """The queues from which more may come now."""
        return [queue for channel in self.channels if channel.has_room() for queue in channel._active_queues]

    def full(self) -> list[Any]:
        """The channels that may take no more for now, as of the last look at what is wanted."""
        return [channel for channel in self.channels if channel._is_full and channel._active_queues]

    def _block(self, seconds: float) -> None:
        """Until something may be ready in a queue that is consumed and has room, or something else is new."""
        queues = self.wanted()
        if any(channel.gets_room_unseen for channel in self.full()):
            seconds = min(seconds, POLL_SECONDS)
        if not queues:
            wait_readable([self.wakeup.fileno()], min(seconds, LOOK_AGAIN_SECONDS))
            return
        self.store.listen(queues)
        try:
            change = self.store.next_change(queues)
            is_empty = not any(self.store.size(queue) for queue in queues)
            hint = self.store.hint()
            limits = [seconds, POLL_SECONDS if hint is None else LOOK_AGAIN_SECONDS]
            pause = min(limits if change is None else [*limits, change])
            if is_empty:
                wait_readable([self.wakeup.fileno(), *([] if hint is None else [hint])], pause)
        finally:
            self.store.unlisten()

    def register_with_event_loop(self, connection: Any, loop: Any) -> None:
        if self._event_loop is not None:
            self._event_loop.unregister()
        self._event_loop = EventLoop(self, loop)

    def unregister_from_event_loop(self, connection: Any, loop: Any) -> None:
        if self._event_loop is not None:
            self._event_loop.unregister()
            self._event_loop = None

    # --- leases and lifetimes --------------------------------------------------------------------------

    def keep_leases(self) -> None:
        """Renew from a thread from now on: a callback may take longer than a lease."""
        if self._keeper is None:
            self._keeper = LeaseKeeper(self)

    def keep(self) -> None:
        """By the keeper's thread: what has to be done as often as leases are renewed."""
        self.store.renew()
        used = list(self._consumed)
        still = self.lifetimes.use(used) if used else {}
        ended = [queue for queue in used if queue not in still and queue in self._consumed]
        if ended and self._lost is None:
            # After a lease that ran out: nobody knew that we live. A new connection declares them again.
            self._lost = f"{', '.join(ended)}: deleted while consumed"
            self.wakeup.set()
        self.lifetimes.sweep(min(_SWEEP_SECONDS, renewal_seconds(self.lease_seconds)))

    def declare(self, queue: str, lifetime: Lifetime, *, exclusive: bool = False) -> None:
        self.lifetimes.declare(queue, lifetime)
        self._looked_up.pop(queue, None)
        if exclusive:
            self._exclusive.add(queue)
            self.use(queue)

    def use(self, queue: str) -> None:
        """The queue does not end while this connection uses it."""
        self.keep_leases()
        self._consumed.update(self.lifetimes.use([queue]))

    def cancelled(self, queue: str) -> None:
        """A consumer of the queue is gone; perhaps it was the last of this connection."""
        others = [channel for channel in self.channels if queue in channel._active_queues]
        if others:
            self._callbacks[queue] = others[-1]._callbacks[queue]
        elif queue in self._consumed and queue not in self._exclusive:
            del self._consumed[queue]
            with suppress(BrokerUnavailable):
                self.lifetimes.unuse([queue])

    def delete(self, queue: str) -> None:
        self._consumed.pop(queue, None)
        self._exclusive.discard(queue)
        self._looked_up.pop(queue, None)
        self.lifetimes.delete(queue)

    def time_to_live(self, claim: Claim) -> int | None:
        """Milliseconds, by what its sender and its queue say."""
        found, lifetime = self._looked_up.get(claim.queue, (0.0, Lifetime()))
        if time.monotonic() > found:
            if len(self._looked_up) > _REMEMBER_QUEUES:
                self._looked_up.clear()
            lifetime = self.lifetimes.of(claim.queue)
            self._looked_up[claim.queue] = time.monotonic() + _REMEMBER_SECONDS, lifetime
        limits = (expiration(claim.message), lifetime.message_ttl)
        return min((limit for limit in limits if limit is not None), default=None)
