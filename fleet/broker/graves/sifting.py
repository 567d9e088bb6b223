"""Go through dead-letter queues in batches, whatever their length: find, bring back, drop."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence

from fleet.broker.delivery import Delivery
from fleet.broker.graves import Graves
from fleet.broker.graves.epitaph import Epitaph, read
from fleet.broker.reposting import revived
from fleet.spec import QueueSpec

Wanted = Callable[[Epitaph], bool]
Found = list[tuple[Delivery, Epitaph]]

_BATCH = 500


class Sifting:
    """`dead_letters` are the queues to go through, `queues` all that are declared."""

    def __init__(self, graves: Graves, dead_letters: Sequence[str], queues: Sequence[QueueSpec]) -> None:
        self._graves = graves
        self._dead_letters = dead_letters
        self._queues = queues
        self._declared = {queue.name: queue for queue in queues}

    def total(self) -> int:
        return sum(self._graves.count(name) for name in self._dead_letters)

    def look(self, wanted: Wanted, limit: int) -> list[Epitaph]:
        """Up to `limit` of them, queue by queue, oldest first."""
        found: list[Epitaph] = []
        for name in self._dead_letters:
            if len(found) < limit:
                found += self._look_into(name, wanted, limit - len(found))
        return found

    def _look_into(self, name: str, wanted: Wanted, limit: int) -> list[Epitaph]:
        reach = limit
        while True:
            deliveries = self._graves.look(name, reach)
            chosen = [each for each in (read(one, self._queues) for one in deliveries) if wanted(each)]
            if len(chosen) >= limit or len(deliveries) < reach:
                return chosen[:limit]
            reach *= 2

    def bring_back(self, wanted: Wanted) -> Iterator[tuple[int, list[Epitaph]]]:
        """Back to the queues where they died, batch by batch: how many were, and which can't be.

        Those can't whose queue nobody knows or declares any more; they stay.
        """
        for found in self._sift(wanted):
            homes: dict[str, Found] = defaultdict(list)
            homeless: Found = []
            for delivery, epitaph in found:
                known = epitaph.queue in self._declared
                (homes[str(epitaph.queue)] if known else homeless).append((delivery, epitaph))
            moved = 0
            for home, dead in homes.items():
                postings = [revived(delivery, home) for delivery, _ in dead]
                moved += self._graves.move([each for each, _ in dead], postings, self._declared[home])
            self._graves.put_back([delivery for delivery, _ in homeless])
            yield moved, [epitaph for _, epitaph in homeless]

    def drop(self, wanted: Wanted) -> Iterator[int]:
        """For ever, batch by batch: how many."""
        for found in self._sift(wanted):
            yield self._graves.drop([delivery for delivery, _ in found])

    def _sift(self, wanted: Wanted) -> Iterator[Found]:
        for name in self._dead_letters:
            left = self._graves.count(name)  # those that come meanwhile, perhaps again, are not meant
            passed_over: list[Delivery] = []
            while left > 0 and (batch := self._graves.take(name, min(left, _BATCH))):
                left -= len(batch)
                found: Found = []
                for delivery in batch:
                    epitaph = read(delivery, self._queues)
                    if wanted(epitaph):
                        found.append((delivery, epitaph))
                    else:
                        passed_over.append(delivery)
                if found:
                    yield found
            self._graves.put_back(passed_over)
