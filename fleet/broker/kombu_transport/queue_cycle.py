"""The order in which a channel looks into its queues."""

from __future__ import annotations

from collections.abc import Sequence

STRATEGIES = ("round_robin", "sorted", "priority")


class QueueCycle:
    """`strategy` as kombu names them. `round_robin`: each look begins with another queue, so none starves."""

    def __init__(self, strategy: str) -> None:
        if strategy not in STRATEGIES:
            raise ValueError(
                f"transport option queue_order_strategy: expected one of {', '.join(STRATEGIES)}, got {strategy!r}"
            )
        self._strategy = strategy
        self._turn = 0

    def of(self, queues: Sequence[str]) -> list[str]:
        """`queues`, each once, in the order for this look."""
        each = list(dict.fromkeys(queues))
        if self._strategy == "sorted":
            return sorted(each)
        if self._strategy == "priority" or not each:
            return each
        self._turn = (self._turn + 1) % len(each)
        return each[self._turn :] + each[: self._turn]
