"""Dead-letter queues in a store with leases."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from functools import cache
from typing import Any

from fleet.broker.dead_letters import FIRST_STEP, MOST_BYTES_AT_ONCE, next_step
from fleet.broker.delivery import BrokerUnavailable, Delivery, Posting
from fleet.broker.leased.consumer import to_delivery
from fleet.broker.leased.store import LeasedStore, declare
from fleet.instance import hold, lives, new_token
from fleet.spec import QueueSpec

_SCANNED_AT_ONCE = 200
_OWNERS = "dead@"


@cache
def _own_token() -> tuple[str, Any]:
    """The token of this process, and the socket that says that it lives (fleet/instance.py)."""
    token = new_token()
    return token, hold(token)


def _has_died(owner: str, token: str) -> bool:
    """Whether `owner` was a browser in a process of this host, or of this container, that is no more."""
    theirs = owner.removeprefix(_OWNERS).partition(":")[0]
    instance, dot, _ = token.rpartition(".")
    return owner.startswith(_OWNERS) and theirs.startswith(instance + dot) and not lives(theirs)


class LeasedDeadLetters:
    """See DeadLetters."""

    def __init__(self, open_store: Callable[[str], LeasedStore]) -> None:
        """`open_store` is given the name of the owner of what is taken."""
        token, _ = _own_token()
        self._store = open_store(f"{_OWNERS}{token}:{os.urandom(4).hex()}")
        self._taken: dict[object, str] = {}  # the queue of each tag
        try:
            self._take_over(token)
        except BaseException:
            self._store.close()
            raise

    def _take_over(self, token: str) -> None:
        """Give back what a killed browser had taken: it is neither counted nor shown until its lease is seen to end."""
        for owner in self._store.owners():
            if _has_died(owner, token):
                self._store.release_owner(owner)

    def count(self, queue: str) -> int:
        return self._store.size(queue)

    def look(self, queue: str, limit: int) -> list[Delivery]:
        return [to_delivery(claim) for claim in self._store.browse(queue, limit)]

    def scan(self, queue: str) -> Generator[Delivery, None, None]:
        seen, step = 0, FIRST_STEP
        while found := [to_delivery(claim) for claim in self._store.browse(queue, step, seen)]:
            seen += len(found)
            step = next_step([len(each.body) for each in found], _SCANNED_AT_ONCE)
            yield from found

    def take(self, queue: str, limit: int) -> list[Delivery]:
        taken: list[Delivery] = []
        size, step = 0, FIRST_STEP
        while len(taken) < limit and size < MOST_BYTES_AT_ONCE:
            claims = self._store.reserve([queue], min(step, limit - len(taken)))
            if not claims:
                break
            found = [to_delivery(claim) for claim in claims]
            taken += found
            sizes = [len(each.body) for each in found]
            size += sum(sizes)
            step = next_step(sizes, _SCANNED_AT_ONCE)
        self._taken.update((delivery.tag, queue) for delivery in taken)
        return taken

    def move(self, deliveries: Sequence[Delivery], postings: Sequence[Posting], queue: QueueSpec) -> int:
        declare(self._store, queue)
        moved = 0
        for delivery, posting in zip(deliveries, postings, strict=True):
            moved += self._store.replace(delivery.tag, posting)  # both or neither
            self._taken.pop(delivery.tag, None)
        return moved

    def drop(self, deliveries: Sequence[Delivery]) -> int:
        dropped = self._store.ack([delivery.tag for delivery in deliveries])
        self._forget(deliveries)
        return dropped

    def put_back(self, deliveries: Sequence[Delivery]) -> None:
        self._store.release([delivery.tag for delivery in deliveries], counted=False)
        self._forget(deliveries)

    def _forget(self, deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            self._taken.pop(delivery.tag, None)

    def close(self) -> None:
        try:
            if self._taken:
                self.put_back([Delivery(tag, queue, b"") for tag, queue in self._taken.items()])
        except BrokerUnavailable:
            pass  # then the lease runs out
        self._store.close()
