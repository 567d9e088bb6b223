"""The store with leases: the one interface behind the embedded SQLite broker and fleet's Redis.

Semantics, the same for every store:

- A message is *ready*, *delayed* (until its time) or *claimed* by an owner. `reserve` claims ready messages
  and counts the attempt; `ack` deletes; `release` makes ready again, at its old place.
- An owner is one connected worker. Its lease covers all its claims; `reserve` and `renew` push it out to
  `lease_seconds` from now. When it runs out, or `release_owner` is told that the owner is dead, all its
  claims are ready again. Any store instance that looks for messages does that reaping; there is no janitor
  process.
- Tags are fenced: a claim that has been given to somebody else (or to the same worker again) has another
  tag, and settling by the old one changes nothing.
- What `publish` and `replace` have returned for is on disk as far as the store's durability goes.
- Every method raises BrokerUnavailable, with a masked URL and the reason, when the store can't be reached or
  can't write; nothing is half done then. Times are seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from fleet.broker.delivery import Posting
from fleet.broker.topology import binding_pattern
from fleet.protocol import Encoded
from fleet.spec import QueueSpec

if TYPE_CHECKING:
    from fleet.broker.notes import Entry, Written


class Claim(NamedTuple):
    """A message that this owner holds. `attempt` counts hand-outs, this one included.

    `ready_since` is when it first was ready, by the store's clock; None if its sender did not say.
    """

    tag: Any
    queue: str
    message: Encoded
    attempt: int
    ready_since: float | None = None


class Found(NamedTuple):
    """A message that was looked for: "waiting", "delayed" (until `due_at`, by the store's clock) or "claimed"."""

    claim: Claim
    state: str
    due_at: float | None = None


class QueueCounts(NamedTuple):
    """One queue at this moment; `oldest_seconds` is the age of the oldest ready message."""

    ready: int
    delayed: int
    claimed: int
    oldest_seconds: float | None


class LeasedStore(Protocol):
    """One connection to a store, for one thread, on behalf of one owner.

    Only `renew` may be called from another.
    """

    last_attempt: int
    """As in `release_owner`, for owners whose lease has run out."""

    def publish(self, postings: Sequence[Posting]) -> None:
        """All or none. Wakes as many listeners as there is new work. Exchanges are resolved by `bindings`."""

    def reserve(self, queues: Sequence[str], limit: int) -> list[Claim]:
        """Claim up to `limit` ready messages: earlier queues first, then higher priority, then older."""

    def ack(self, tags: Sequence[Any]) -> int:
        """Delete what is still claimed under these tags; how many were."""

    def release(self, tags: Sequence[Any], *, counted: bool = True, last: bool = False) -> int:
        """Make ready again at once, in their old order and before what waits. How many were.

        `counted=False` takes the attempt back (it never started). `last`: behind what waits, where messages
        have no place of their own to return to.
        """

    def replace(self, tag: Any, *postings: Posting) -> bool:
        """Publish all of these and ack, in one step.

        Retry, delay, dead letter. False, and nothing published, for a stale tag.
        """

    def renew(self) -> None:
        """Push the lease out. Safe from any thread, also while another method runs."""

    def release_owner(self, owner: str, last_attempt: int = 0) -> int:
        """The owner of that name is dead: all its claims are ready again. How many those were.

        `last_attempt`: a message is given up after that one, so it is to be counted only if it was all that
        the owner held. Of several nobody knows who killed it. 0: each is counted.
        """

    def renew_owner(self, owner: str) -> None:
        """The owner of that name lives and can't renew: push its lease out. What was given back stays so."""

    def owners(self) -> list[str]:
        """The names of all owners whose lease runs, or has not been reaped yet."""

    def listen(self, queues: Sequence[str]) -> int | None:
        """A descriptor that becomes readable when something may have become ready in `queues`.

        Look with `reserve` once more after this and before blocking, else a message in between goes
        unnoticed. None: this store can't tell, poll. A hint may come for nothing, and in rare cases (a
        woken worker was killed) not come at all: look again every second or so.
        """

    def hint(self) -> int | None:
        """The descriptor of the last `listen`, if it still is one: looking may find its connection gone.

        To be asked for just before it is waited for. None: poll.
        """

    def unlisten(self) -> None:
        """No hints wanted now; forgets those that have come."""

    def next_change(self, queues: Sequence[str]) -> float | None:
        """Seconds until time alone may make something ready (a delay over, a lease run out).

        None: nothing waits.
        """

    def declare(self, queue: str) -> None:
        """Make the queue known. Publishing to an unknown queue makes it known too."""

    def queues(self) -> list[str]:
        """Names of all known queues."""

    def bind(self, queue: str, exchange: str, routing_key: str, pattern: str = "") -> None:
        """`pattern` is kombu's regular expression for topic exchanges."""

    def unbind(self, queue: str, exchange: str, routing_key: str) -> None: ...

    def bindings(self, exchange: str) -> list[tuple[str, str, str]]:
        """(routing key, pattern, queue) of every binding: kombu's table of an exchange."""

    def size(self, queue: str) -> int:
        """Ready messages."""

    def stats(self, queue: str) -> QueueCounts: ...

    def browse(self, queue: str, limit: int, offset: int = 0) -> list[Claim]:
        """Look at ready messages without claiming, oldest first; their tags settle nothing."""

    def find(self, queues: Sequence[str], ident: str, window: int) -> tuple[Found | None, bool]:
        """The message with that id in these queues, and whether all of them have been looked through.

        Where a store can't ask for an id, only so many of each are looked at: those that go next.
        """

    def delayed(self, queue: str, limit: int) -> list[Found]:
        """The delayed messages that are due first."""

    def cancel(self, queue: str, ident: str) -> bool:
        """Delete the delayed message with that id; False when there is none (any more)."""

    def purge(self, queue: str) -> int:
        """Delete ready and delayed messages, not claimed ones; how many."""

    def delete(self, queue: str) -> None:
        """Forget the queue with its bindings and messages, claimed ones too."""

    def now(self) -> float:
        """The store's time of day: POSIX seconds, and for everybody who asks it the same."""

    def notes(self, book: str) -> dict[str, str]:
        """All notes of that book by their names."""

    def enter(self, book: str, entries: Sequence[Entry]) -> list[Written]:
        """Each entry in one step, durably, unless its note has changed; one outcome each, in order."""

    def reconnect(self) -> bool:
        """Connect anew after BrokerUnavailable; whether the claims made before still stand."""

    def close(self) -> None:
        """Release every claim, disconnect; never raises."""


def declare(store: LeasedStore, queue: QueueSpec) -> None:
    """Make the queue and its binding known to the store."""
    store.declare(queue.name)
    if queue.exchange:
        key = queue.routing_key or queue.name
        store.bind(queue.name, queue.exchange, key, binding_pattern(queue.exchange_type, key))
