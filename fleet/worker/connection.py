"""The link to the broker with its outages: reconnects for ever, and says so."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from fleet.broker.delivery import BrokerUnavailable, Death, Delivery, HeldTooLong, Posting, QueueMismatch
from fleet.broker.waiting import wait_readable
from fleet.clock import time
from fleet.worker import stdio
from fleet.worker.backoff import exponential, jittered
from fleet.worker.log import Log
from fleet.worker.progress import Notice
from fleet.worker.reactor import Reactor

if TYPE_CHECKING:
    from fleet.broker.link import Link

_RECONNECT_BASE_SECONDS = 0.25
_RECONNECT_CAP_SECONDS = 15.0
_RENEW_ON_SECONDS = 60.0
# Acks of very short tasks go out together, but none later than this.
BATCH_SECONDS = 0.005


class BrokerConnection:
    """For the loop's thread, but for `renew`. No method raises BrokerUnavailable.

    What can't be settled for want of a broker the link remembers, and settles with its next connection where
    deliveries outlive one (leases); on AMQP they are void by then and the broker gives them out again.
    """

    def __init__(
        self, make_link: Callable[[], Link], reactor: Reactor, log: Log, random: Callable[[], float]
    ) -> None:
        """`make_link` is called by the first `receive`: it imports a client, while pool processes boot."""
        self._make_link = make_link
        self._made: Link | None = None
        self.put_aside: Callable[[Delivery, str], None] = lambda _delivery, _why: None  # see Link
        self._prefetch: int | None = None  # asked for before there was a link
        self.skipped: frozenset[str] = frozenset()
        self._set_aside: Callable[[Link], None] = lambda _link: None
        self._reactor = reactor
        self._log = log
        self._random = random
        self.connected = False
        self.consuming = True
        self.changes = 0  # how often a connection was made or found lost, by whatever found it
        self.error: str | None = None
        self.notice: Notice | None = None  # of something that a reader of the status should know later, too
        self.mismatch = False  # the error is one of fleet.toml's and of no outage
        self.owes = False  # whether the broker has yet to hear of a settlement
        self._tries = 0
        self._try_at = 0.0
        self._lost_at = float("-inf")
        self._acks: list[Delivery] = []
        self._flush_at = 0.0  # monotonic; while there are acks

    @property
    def _link(self) -> Link:
        if self._made is None:
            self._made = self._make_link()
            self._made.put_aside = self.put_aside
            if self._prefetch is not None:
                self._made.set_prefetch(self._prefetch)
            self._set_aside(self._made)
            if self.skipped:
                self._made.skip(self.skipped)
            if not self.consuming:
                self._made.pause()
        return self._made

    def receive(self, timeout: float) -> list[Delivery]:
        """New deliveries, at most `timeout` seconds from now; [] when the reactor has something to do."""
        if self._acks:
            timeout = min(timeout, max(0.0, self._flush_at - time.monotonic()))
        if self.connected:
            try:
                found = self._link.wait(timeout, self._reactor.fileno())
                # Not before: of a connection on which everything is refused nothing is gained by trying at once.
                self._tries = 0
                return found
            except BrokerUnavailable as error:
                self._lost(error)
                return []
        now = time.monotonic()
        if now >= self._try_at:
            stdio.reopen_closed()  # else a socket takes the number, and what tasks print goes to the broker
            self._connect()
        else:
            wait_readable([self._reactor.fileno()], min(timeout, self._try_at - now))
        return []

    @property
    def refusal(self) -> str | None:
        """Why the broker has not taken something lately although it is there."""
        return None if self._made is None else self._made.refusal

    @property
    def held(self) -> int:
        """Deliveries that have run, and wait until the broker takes what becomes of them."""
        return 0 if self._made is None else self._made.held

    @property
    def acks_wait(self) -> bool:
        """For a `flush`."""
        return bool(self._acks)

    def ack(self, delivery: Delivery) -> None:
        """With the next `flush`, together with others."""
        if not self._acks:
            self._flush_at = time.monotonic() + BATCH_SECONDS
        self._acks.append(delivery)

    def flush(self, *, worth: int = 0) -> None:
        """Not before there are so many to go together, but in time; `receive` waits no longer than that."""
        if self._acks and (len(self._acks) >= worth or time.monotonic() >= self._flush_at):
            acks, self._acks = self._acks, []
            self._settle(lambda: self._link.ack(acks))

    def requeue(self, deliveries: Sequence[Delivery], *, counted: bool) -> None:
        self._settle(lambda: self._link.requeue(deliveries, counted=counted))

    def retry(self, delivery: Delivery, delay_seconds: float, retries: int) -> None:
        self._settle(lambda: self._link.retry(delivery, delay_seconds=delay_seconds, retries=retries))

    def finish(self, delivery: Delivery, told: Posting) -> None:
        """See Link."""
        self._settle(lambda: self._link.finish(delivery, told))

    def dead_letter(self, delivery: Delivery, death: Death, told: Posting | None = None) -> None:
        self._settle(lambda: self._link.dead_letter(delivery, death, told))

    def consume(self, wanted: bool) -> None:
        """Pause or resume; holds across connections."""
        self.consuming = wanted
        if self._made is not None:
            self._arrange(self._made.resume if wanted else self._made.pause)

    def start_over(self, prefetch: int) -> None:
        """Connect anew, with a link that is made anew: other queues are to be consumed."""
        made, self._made = self._made, None
        self._prefetch = prefetch
        if made is not None:
            made.close()
        if self.connected:
            self.connected, self._try_at = False, 0.0
            self.changes += 1

    def skip(self, queues: frozenset[str]) -> None:
        """Consume all queues but these; holds across connections."""
        self.skipped = queues
        if self._made is not None:
            self._arrange(partial(self._made.skip, queues))

    def set_aside(
        self, most: int | None, *, culprit_known: bool, is_ours: Callable[[Delivery], bool]
    ) -> None:
        """See Link."""
        self._set_aside = lambda link: link.set_aside(most, culprit_known=culprit_known, is_ours=is_ours)
        if self._made is not None:
            self._set_aside(self._made)

    @property
    def suspects(self) -> bool:
        """Whether the broker may have messages that were set aside: they come before all others."""
        return self.connected and self._made is not None and self._made.suspects

    def take_suspect(self, queue: str | None = None) -> Delivery | None:
        """One suspect, if there is one, and a connection; of that queue, where one must be."""
        taken: list[Delivery | None] = []
        if self.connected:
            self._attempt(lambda: taken.append(self._link.take_suspect(queue)))
        return taken[0] if taken else None

    def look_for_suspects(self) -> bool:
        """Whether there still are some, by the broker's own word: others may have run them."""
        found: list[bool] = []
        if self.connected:
            self._attempt(lambda: found.append(self._link.look_for_suspects()))
        return bool(found and found[0])

    def delayed(self, limit: int) -> list[Delivery]:
        """See Link."""
        found: list[Delivery] = []
        if self.connected:
            self._attempt(lambda: found.extend(self._link.delayed(limit)))
        return found

    def is_void(self, delivery: Delivery) -> bool:
        """Whether the broker hears nothing of what becomes of it: it gives it out again, or has."""
        return not self.connected or self._made is None or self._made.is_void(delivery)

    def set_prefetch(self, prefetch: int) -> None:
        """How many deliveries to hold at most, from now on; holds across connections."""
        if self._made is None:
            self._prefetch = prefetch
        else:
            self._arrange(partial(self._made.set_prefetch, prefetch))

    def renew(self) -> None:
        """Tell the broker that this worker lives; from any thread.

        While reconnecting, too: that may hang for longer than leases last, on a connection that only seems to
        live. But not for ever, for a broker that is away costs the calling thread seconds each time.
        """
        if self._made is not None and (
            self.connected or time.monotonic() - self._lost_at < _RENEW_ON_SECONDS
        ):
            self._made.renew()

    def close(self) -> None:
        if self._made is not None:
            self._made.close()

    def _settle(self, action: Callable[[], None]) -> None:
        self.owes |= not self._attempt(action)

    def _connect(self) -> None:
        if self._attempt(self._link.connect):
            if self.error is not None:
                self._log.info("broker: connected again")
            self.connected, self.error, self.owes = True, None, False
            self.mismatch = False
            self.changes += 1

    def _arrange(self, action: Callable[[], None]) -> None:
        """Something that the link remembers when there is no connection."""
        if self.connected:
            self._attempt(action)
        else:
            with suppress(BrokerUnavailable):
                action()

    def _attempt(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except BrokerUnavailable as error:
            self._lost(error)
            return False
        return True

    def _lost(self, error: BrokerUnavailable) -> None:
        if not self.connected and time.monotonic() < self._try_at:
            return  # known already: an attempt to settle while the broker is away
        whole = exponential(self._tries, base=_RECONNECT_BASE_SECONDS, cap=_RECONNECT_CAP_SECONDS)
        pause = jittered(whole, self._random)
        self._tries += 1
        self._try_at = time.monotonic() + pause
        self._lost_at = time.monotonic() if self.connected else self._lost_at
        if isinstance(error, HeldTooLong):
            self.notice = Notice(time.monotonic(), str(error))
        self.changes += self.connected
        self.connected = False
        self.error, self.mismatch = str(error), isinstance(error, QueueMismatch)
        self._log.warning(f"broker: {error}; trying again in {pause:.1f}s")
