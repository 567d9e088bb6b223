"""The remote control of the loop: what Celery's may ask of it. The desk (fleet/celery/desk.py) talks to people.

The desk is a process or a thread of its own, which answers while tasks run. Here are both ends of its way to the loop:
`Remote.ask` is for any thread; what changes anything becomes an order for the loop.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable
from typing import Any

from fleet.broker.delivery import Delivery
from fleet.clock import time
from fleet.worker.context import LoopContext
from fleet.worker.desk_channel import Event
from fleet.worker.orders import Order, Orders
from fleet.worker.pools import Pool
from fleet.worker.pools.child import MORE_FIELDS, SENT_FIELDS
from fleet.worker.revoked import Revoked
from fleet.worker.settings import SettingsChange
from fleet.worker.workload import Workload

FIELDS = (*SENT_FIELDS, *MORE_FIELDS)
_MOST_SHOWN = 1000
_MOST_KEPT = 100
_ANSWER_SECONDS = 5.0


class Remote:
    """One per worker."""

    def __init__(
        self,
        context: LoopContext,
        workload: Workload,
        revoked: Revoked,
        orders: Orders,
        rates: Callable[[str, str | None], None],
    ) -> None:
        """`rates` sets the rate limit of a task."""
        self._settings = context.settings
        self._workload = workload
        self._stats = context.stats
        self._revoked = revoked
        self._log = context.log
        self._delayed = context.connection.delayed
        self._loop = threading.get_ident()
        self._set_rate = rates
        self._orders = orders
        self._wake = context.reactor.wake
        self.pids_of: Callable[[], dict[Delivery, int]] = (
            dict  # what runs in which process, if not in this one
        )
        self.sink: Callable[[list[Event]], None] | None = None  # of a desk that is there
        self._events: list[Event] = []

    def ask(self, question: str, **arguments: Any) -> Any:
        match question:
            case "snapshot":
                return self._snapshot()
            case "revoked":
                return {"ids": self._revoked.ids, "stamps": self._revoked.stamps}
            case "scheduled":
                return self._scheduled()
            case "revoke":
                # Before the answer, and not when the loop comes round: it may be told to end the next moment.
                self._revoked.add(map(str, arguments.get("ids", ())), arguments.get("stamps"))
        self._order(Order(question, arguments=arguments))
        return None

    def _order(self, order: Order) -> None:
        self._orders.pending.append(order)
        self._wake()

    def _scheduled(self) -> list[tuple[Any, ...]]:
        """What waits in the broker for its time. Only the loop may ask the broker."""
        if threading.get_ident() == self._loop:
            return [_sent(each) for each in self._delayed(_MOST_SHOWN)]
        answer: queue.SimpleQueue[list[tuple[Any, ...]]] = queue.SimpleQueue()
        self._order(Order("scheduled", arguments={"answer": answer.put}))
        try:
            return answer.get(timeout=_ANSWER_SECONDS)
        except queue.Empty:
            return []

    def _snapshot(self) -> dict[str, Any]:
        workload, spec = self._workload, self._settings.spec
        now, wall = time.monotonic(), time.time()
        pids = self.pids_of()
        in_flight = _copy(workload.in_flight)
        active, reserved = [], [_sent(each) for each in _copy(workload.backlog)]
        for delivery, since in list(in_flight.items())[:_MOST_SHOWN]:
            pid = pids.get(delivery, 0)
            if pid < 0:
                reserved.append(_sent(delivery))
            else:
                about = {"acknowledged": workload.is_acked(delivery), "pid": pid or os.getpid()}
                active.append({**about, "began": wall - (now - since), "fields": _sent(delivery)})
        return {
            "active": active,
            "reserved": reserved[:_MOST_SHOWN],
            "totals": {
                name: int(numbers[0]) for name, numbers in _copy(self._stats.statistics.by_task()).items()
            },
            "slots": spec.slots,
            "queues": [each.name for each in spec.queues if each.name not in self._stats.paused_queues],
            "children": list(self._stats.children()),
            "pid": os.getpid(),
            "max_tasks": spec.max_tasks,
            "time_limits": [spec.soft_time_limit_seconds, spec.time_limit_seconds],
        }

    # In the loop's thread

    def tell(self, kind: str, delivery: Delivery | None, **fields: Any) -> None:
        """An event, when somebody wants to know; with the next `flush`."""
        if delivery is not None:
            fields = {"uuid": delivery.headers.get("id"), **fields}
        self._events.append((kind, fields))

    def flush(self) -> None:
        if self._events and self.sink is not None:
            events, self._events = self._events, []
            self.sink(events)
        del self._events[:-_MOST_KEPT]  # for a desk that is about to come

    def obey(self, order: Order, pool: Pool) -> None:
        arguments = order.arguments
        match order.do:
            case "revoke":
                self._workload.recall(pool)  # what has not begun is looked at once more
            case "terminate":
                self._terminate(str(arguments["id"]), int(arguments["signum"]), pool)
            case "rate_limit":
                self._set_rate(str(arguments["task"]), arguments["rate"])
            case "events":
                self._workload.tell = self.tell if arguments["on"] else None
                self._change(pool, tells_results=bool(arguments["on"]))
            case "time_limit":
                self._limit(pool, str(arguments["task"]), arguments["soft"], arguments["hard"])
            case "shutdown":
                os.kill(os.getpid(), signal.SIGTERM)
            case "cancel":
                self._pause({*self._stats.paused_queues, str(arguments["queue"])})
            case "consume":
                self._consume(str(arguments["queue"]))
            case "scheduled":
                arguments["answer"]([_sent(each) for each in self._delayed(_MOST_SHOWN)])
            case "grow":
                self._change(pool, concurrency=max(1, self._settings.spec.concurrency + int(arguments["by"])))

    def _pause(self, queues: set[str]) -> None:
        self._order(Order("pause", queues=tuple(sorted(queues))))

    def _consume(self, queue: str) -> None:
        if queue in (each.name for each in self._settings.spec.queues):
            self._pause({*self._stats.paused_queues} - {queue})
        else:
            self._log.warning(f"add_consumer: {queue!r} is no queue of this group: name it in fleet.toml")

    def _terminate(self, ident: str, signum: int, pool: Pool) -> None:
        for delivery in self._workload.in_flight:
            if delivery.headers.get("id") == ident:
                pool.terminate(delivery, signum)
                return

    def _limit(self, pool: Pool, task: str, soft: float | None, hard: float | None) -> None:
        others = [each for each in self._settings.spec.task_limits if each[0] != task]
        self._change(pool, task_limits=(*others, (task, soft, hard)))

    def _change(self, pool: Pool, **settings: Any) -> None:
        """Until the worker ends: nobody else knows of it."""
        self._orders.apply(SettingsChange(self._settings.revision, settings), pool)


class DirectChannel:
    """For a desk that is a thread of the worker."""

    def __init__(self, remote: Remote) -> None:
        self._remote = remote
        self._queue: queue.SimpleQueue[list[Event] | None] = queue.SimpleQueue()
        remote.sink = self._queue.put

    def ask(self, question: str, **arguments: Any) -> Any:
        return self._remote.ask(question, **arguments)

    def events(self, timeout: float) -> list[Event] | None:
        try:
            return self._queue.get(timeout=timeout)
        except queue.Empty:
            return []

    def close(self) -> None:
        self._queue.put(None)


def _sent(delivery: Delivery) -> tuple[Any, ...]:
    return tuple(getattr(delivery, name) for name in FIELDS)


def _copy(changing: Any) -> Any:
    """Another thread changes it."""
    while True:
        try:
            return dict(changing) if isinstance(changing, dict) else list(changing)
        except RuntimeError:
            continue
