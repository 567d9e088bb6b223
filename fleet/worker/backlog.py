"""The backlog of a worker: what waits for a free slot; of several queues the next is from the one whose turn it is."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator

from fleet.broker.delivery import Delivery
from fleet.broker.queue_order import QueueOrder
from fleet.launch_specs import WorkerSpec


class Backlog:
    """The part of a deque which the workload uses. Within a queue the order is that of arrival."""

    def __init__(self, order: QueueOrder, waiting: Iterable[Delivery] = ()) -> None:
        self._order = order
        self._urgent: deque[Delivery] = deque()  # before whatever else waits
        self._lanes: dict[str, deque[Delivery]] = {}  # only those where something waits
        self._count = 0  # of all; other threads ask
        self.extend(waiting)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Delivery]:
        yield from self._urgent
        for lane in self._lanes.values():
            yield from lane

    def __bool__(self) -> bool:
        return self._count > 0

    def next(self) -> Delivery:
        """What `popleft` would return."""
        return self._urgent[0] if self._urgent else self._lanes[self._order.first(self._lanes)][0]

    def popleft(self) -> Delivery:
        self._count -= 1
        if self._urgent:
            return self._urgent.popleft()
        queue = self._order.first(self._lanes)
        delivery = self._lanes[queue].popleft()
        if not self._lanes[queue]:
            del self._lanes[queue]
        self._order.took(queue)
        return delivery

    def append(self, delivery: Delivery) -> None:
        self._lanes.setdefault(delivery.queue, deque()).append(delivery)
        self._count += 1

    def extend(self, deliveries: Iterable[Delivery]) -> None:
        for delivery in deliveries:
            self.append(delivery)

    def extendleft(self, deliveries: Iterable[Delivery]) -> None:
        """Put back deliveries that were taken from here and have not begun: each before what waits of its own queue."""
        for delivery in deliveries:
            self._lanes.setdefault(delivery.queue, deque()).appendleft(delivery)
            self._count += 1
            self._order.took(delivery.queue, -1)

    def keep(self, deliveries: Iterable[Delivery]) -> None:
        """Keep these deliveries and no others."""
        self._urgent.clear()
        self._lanes.clear()
        self._count = 0
        self.extend(deliveries)

    def first_of_all(self, deliveries: list[Delivery]) -> None:
        """Of what waits, these go before the rest."""
        self.keep([each for each in self if each not in deliveries])
        self._urgent.extend(deliveries)
        self._count += len(deliveries)


class PlainBacklog(deque[Delivery]):
    """The same for a worker of one queue: first come, first served, at no cost."""

    def next(self) -> Delivery:
        return self[0]

    def keep(self, deliveries: Iterable[Delivery]) -> None:
        kept = list(deliveries)
        self.clear()
        self.extend(kept)

    def first_of_all(self, deliveries: list[Delivery]) -> None:
        self.keep([*deliveries, *(each for each in self if each not in deliveries)])


def make_backlog(spec: WorkerSpec) -> Backlog | PlainBacklog:
    """As the worker's queues need it."""
    names = [queue.name for queue in spec.queues]
    return Backlog(QueueOrder(names, spec.queue_order)) if len(names) > 1 else PlainBacklog()
