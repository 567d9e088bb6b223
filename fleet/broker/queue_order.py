"""The order of a worker's queues: all of the earlier ones first, or each by its share.

"weighted" is start-time fair queueing. Each queue has a position in a virtual time, where its next message starts;
a message moves it on by 1/weight, and the queue that is furthest behind is next. Who had nothing starts where the
others are when something comes: it has saved up nothing. So no queue starves, and as long as all have messages
their shares are their weights, to within one message each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

STRICT = "strict"
WEIGHTED = "weighted"


class QueueOrder:
    """Of one worker. Of n queues the first has the weight n, the last 1."""

    def __init__(self, queues: Sequence[str], kind: str = WEIGHTED) -> None:
        self._rank = {name: rank for rank, name in enumerate(dict.fromkeys(queues))}
        self._weight = {name: len(self._rank) - rank for name, rank in self._rank.items()}
        self.is_strict = kind == STRICT
        # Half a message on, each: so they come evenly mixed from the first one on.
        self._starts = {name: 0.5 / weight for name, weight in self._weight.items()}
        self._now = 0.0  # where the message started that was taken last

    def order(self, names: Iterable[str]) -> list[str]:
        """The queues, the one to take from first of all first."""
        if self.is_strict:
            return sorted(names, key=self._rank.__getitem__)
        return sorted(names, key=self._key)

    def first(self, names: Iterable[str]) -> str:
        """The head of `order`."""
        return min(names, key=self._rank.__getitem__ if self.is_strict else self._key)

    def share(self, queue: str, names: Sequence[str], room: int) -> int:
        """How many of `room` are for it while all of `names` have messages; with "strict" all, when its turn comes."""
        if self.is_strict:
            return room
        return room * self._weight[queue] // sum(self._weight[name] for name in names)

    def took(self, queue: str, count: int = 1) -> None:
        """So many were taken from it, at once; or went back there unused, if that is negative."""
        if self.is_strict:
            return
        if count < 0:
            self._starts[queue] += count / self._weight[queue]
            return
        self._now = max(self._starts[queue], self._now)
        self._starts[queue] = self._now + count / self._weight[queue]

    def _key(self, name: str) -> tuple[float, int]:
        return max(self._starts[name], self._now), self._rank[name]
