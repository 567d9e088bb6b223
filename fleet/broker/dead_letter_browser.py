"""Go through dead-letter queues in batches, whatever their length: find, bring back, drop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from itertools import islice

from fleet.broker.dead_letter_record import DeadLetterRecord, read
from fleet.broker.dead_letters import DeadLetters
from fleet.broker.delivery import Delivery
from fleet.broker.reposting import requeued
from fleet.clock import time
from fleet.spec import QueueSpec

Wanted = Callable[[DeadLetterRecord], bool]
Found = list[tuple[Delivery, DeadLetterRecord]]

_BATCH = 500


class DeadLetterBrowser:
    """`dead_letters` are the queues to go through, `queues` all that are declared."""

    def __init__(
        self,
        connection: DeadLetters,
        dead_letters: Sequence[str],
        queues: Sequence[QueueSpec],
        *,
        batch: int | None = None,
    ) -> None:
        """`batch`: how many are dealt with at once."""
        self._connection = connection
        self._batch = batch or _BATCH
        self._dead_letters = dead_letters
        self._queues = queues
        self._declared = {queue.name: queue for queue in queues}

    def total(self) -> int:
        return sum(self._connection.count(name) for name in self._dead_letters)

    def look(self, wanted: Wanted, limit: int) -> list[DeadLetterRecord]:
        """Up to `limit` of them, queue by queue, oldest first; however many others lie before them."""
        with closing(self.scan()) as records:
            return list(islice((record for record in records if wanted(record)), limit))

    def scan(self) -> Generator[DeadLetterRecord, None, None]:
        """All of them, queue by queue, oldest first; fetched as they are wanted."""
        for name in self._dead_letters:
            with closing(self._connection.scan(name)) as deliveries:
                for delivery in deliveries:
                    yield read(delivery, self._queues)

    def bring_back(
        self, wanted: Wanted, change: Callable[[Delivery], Delivery] = lambda delivery: delivery
    ) -> Generator[tuple[int, list[DeadLetterRecord]], None, None]:
        """Back to the queues where they died, batch by batch: how many were, and which can't be.

        Those can't whose queue nobody knows or declares any more; they stay. `change` makes another message of each.
        """
        staying: list[
            Delivery
        ] = []  # put back at the end: at the head of their queue they would be met again
        for found in self._sift(wanted):
            homes: dict[str, Found] = defaultdict(list)
            homeless: Found = []
            for delivery, record in found:
                known = record.queue in self._declared
                (homes[str(record.queue)] if known else homeless).append((delivery, record))
            moved = 0
            for home, dead in homes.items():
                postings = [requeued(change(delivery), home, time.time()) for delivery, _ in dead]
                moved += self._connection.move([each for each, _ in dead], postings, self._declared[home])
            for delivery, _ in homeless:
                staying.append(_only_to_put_back(delivery))
            yield moved, [record for _, record in homeless]
        self._connection.put_back(staying)

    def drop(self, wanted: Wanted) -> Generator[int, None, None]:
        """For ever, batch by batch: how many."""
        for found in self._sift(wanted):
            yield self._connection.drop([delivery for delivery, _ in found])

    def _sift(self, wanted: Wanted) -> Iterator[Found]:
        for name in self._dead_letters:
            left = self._connection.count(name)  # those that come meanwhile, perhaps again, are not meant
            passed_over: list[Delivery] = []
            while left > 0 and (batch := self._connection.take(name, min(left, self._batch))):
                left -= len(batch)
                found: Found = []
                for delivery in batch:
                    record = read(delivery, self._queues)
                    if wanted(record):
                        found.append((delivery, record))
                    else:
                        passed_over.append(_only_to_put_back(delivery))
                if found:
                    yield found
            self._connection.put_back(passed_over)


def _only_to_put_back(delivery: Delivery) -> Delivery:
    """Without what nobody will read, for there may be very many."""
    return Delivery(delivery.tag, delivery.queue, b"")
